"""What all command line programs share: an expected failure prints one line to standard error, with exit code 1."""

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags


@contextlib.contextmanager
def one_line_failures(
    name: str, interrupted: str, errors: tuple[type[Exception], ...] = (ValueError, OSError)
) -> Iterator[None]:
    """Turn interruptions, and errors that a user can fix, into one line.

    Args:
        name: The program's name; it starts the line.
        interrupted: What to print after Ctrl-C or a request to end.
        errors: The expected errors.
    """
    try:
        yield
    except (*errors, flags.Error) as error:
        message = str(error)
    except KeyboardInterrupt:
        message = interrupted
    else:
        return
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


def run_command(
    name: str,
    main: Callable[[list[str]], None],
    flag_values: flags.FlagValues,
    description: str | None,
    interrupted: str,
) -> None:
    """Run `main(arguments)` with its own flags, or print them for `--help`; a termination signal acts as Ctrl-C."""
    _hide_notes()
    signal.signal(signal.SIGTERM, _interrupt)
    with one_line_failures(name, interrupted):
        arguments = flag_values(with_homes(sys.argv))
        if flag_values.help:
            print(f"{description}\n{flag_values.get_help()}")
        else:
            main(arguments)


def run_app(
    name: str,
    main: Callable[[list[str]], None],
    module: str,
    interrupted: str,
    errors: tuple[type[Exception], ...] = (ValueError, OSError),
) -> None:
    """Run `main(arguments)` with the process-wide flags that the named module defined."""
    _hide_notes()
    sys.modules["__main__"].__doc__ = sys.modules[module].__doc__  # what --help prints, also for a console script
    for flag in flags.FLAGS.get_key_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    with one_line_failures(name, interrupted, errors):
        app.run(main, with_homes(sys.argv), flags_parser=flags.FLAGS)


def with_homes(arguments: Sequence[str]) -> list[str]:
    """Expand ~ at the beginning of values, because shells do not expand it after --flag=."""
    home = os.path.expanduser("~")
    return [re.sub(r"^((?:--\w+=)?(?:\w+=)?)~(?=/|$)", lambda found: found[1] + home, text) for text in arguments]


def _hide_notes():
    """Hide TensorFlow's startup messages; set TF_CPP_MIN_LOG_LEVEL=0 to show them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _interrupt(*_):
    raise KeyboardInterrupt
