"""ctrzoo: click-through-rate models on Keras 3, with their data, training and explanations.

Importing this package loads neither TensorFlow nor Keras; submodules load them when used.
"""

import pathlib

# In a checkout, `ctrzoo.models`, `ctrzoo.data_pipelines` and `ctrzoo.experiments` lie next to this folder.
_checkout = pathlib.Path(__file__).resolve().parent.parent
if (_checkout / "WORKSPACE.md").is_file():
    __path__.append(str(_checkout))

__version__ = "0.2.0"
