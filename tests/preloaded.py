"""What `tests.programs` imports once, before it forks: what takes longest, and starts no threads that work."""

from ctrzoo.startup import load_keras_quietly

load_keras_quietly()

import ctrzoo.models  # noqa: E402, F401
