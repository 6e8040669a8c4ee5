"""What all command line programs share: flags, and failures in one line.

An expected failure prints one line to standard error and ends with exit code 1. An interruption ends with 128 plus the
number of the signal: 130 for Ctrl-C, 143 for SIGTERM.
"""

import contextlib
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from absl import flags

from ctrzoo import __version__
from ctrzoo.stores import cache_folder, explained, is_url
from ctrzoo.suggest import closest

from .synonyms import SYNONYMS

DATA_DIR_HELP = "by default $XDG_CACHE_HOME/ctrzoo, or ~/.cache/ctrzoo."
Interrupted = str | Callable[[], str]


def program_flags() -> flags.FlagValues:
    """Return the flags that every program has; they are separate, because programs share names of flags."""
    values = flags.FlagValues()
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    flags.DEFINE_bool("version", False, "Show the version.", flag_values=values)
    return values


def data_dir(given: str | None) -> pathlib.Path:
    """Return the folder of prepared data: what `--data_dir` says, else a folder in the user's cache."""
    return cache_folder() if given is None else pathlib.Path(given).expanduser()


@contextlib.contextmanager
def one_line_failures(
    name: str, interrupted: Interrupted, errors: tuple[type[Exception], ...] = (ValueError, OSError)
) -> Iterator[None]:
    """Turn interruptions, and errors that a user can fix, into one line.

    Args:
        name: The program's name; it starts the line.
        interrupted: What to print after Ctrl-C or a request to end, or a function that returns it.
        errors: The expected errors.
    """
    try:
        yield
    except (*errors, flags.Error) as error:
        message, code = str(error), 1
    except KeyboardInterrupt as error:
        message, code = interrupted if isinstance(interrupted, str) else interrupted(), _exit_code(error)
    except Exception as error:
        if (mended := explained(error)) is None:
            raise
        message, code = str(mended), 1
    else:
        return
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def run_command(
    name: str,
    main: Callable[[list[str]], None],
    flag_values: flags.FlagValues,
    description: str | None,
    interrupted: Interrupted,
    errors: tuple[type[Exception], ...] = (ValueError, OSError),
    *,
    more_help: Callable[[], str] = str,
    settings: Callable[[], Sequence[str]] = tuple,
    urls: Sequence[str] = (),
) -> None:
    """Run `main(arguments)` with its own flags, or print help or version; a termination signal acts as Ctrl-C.

    Args:
        name: The program's name.
        main: Its function.
        flag_values: Its flags, from `program_flags`.
        description: What `--help` prints first.
        interrupted: What to print after Ctrl-C or a request to end, or a function that returns it.
        errors: The errors that print one line.
        more_help: Returns what `--help` prints last.
        settings: Returns the names that `--set` takes, to suggest them for unknown flags.
        urls: The flags that take URLs. Those of the others are refused, see `check_local`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's startup messages; 0 shows them
    signal.signal(signal.SIGTERM, _interrupt)
    with one_line_failures(name, interrupted, errors):
        try:
            arguments = flag_values(with_homes(sys.argv))
        except flags.UnrecognizedFlagError as error:
            raise ValueError(unknown_flag(error.flagname, sys.argv, list(flag_values), settings())) from None
        if flag_values.help:
            print(f"{description}\n{flag_values.get_help()}{more_help()}".rstrip())
        elif flag_values.version:
            print(f"{name} {__version__}")
        else:
            check_local(flag_values.flag_values_dict(), urls)
            main(arguments)


def check_local(values: Mapping[str, object], urls: Sequence[str]) -> None:
    """Refuse a URL where a local path belongs: it would name a local folder such as `s3:`.

    Args:
        values: The values of the flags, by name.
        urls: The flags that take URLs.

    Raises:
        ValueError: If another flag is a URL or a list with one, or the URL is in this process's memory.

    >>> check_local({"workdir": "s3://bucket/runs/mine", "dataset": "s3://bucket/clicks"}, ["dataset"])
    Traceback (most recent call last):
    ...
    ValueError: --workdir must be a local path. Received: s3://bucket/runs/mine.
    """
    for name, value in values.items():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            setting, sign, assigned = str(text).partition("=")
            place = assigned if sign and not is_url(setting) else str(text)
            if place.startswith("memory://"):
                raise ValueError(f"--{name}: what is in memory:// ends with this program. Received: {text}.")
            if name not in urls and setting not in urls and is_url(place):
                raise ValueError(f"--{name} must be a local path. Received: {text}.")


def unknown_flag(name: str, arguments: Sequence[str], known: Sequence[str], settings: Sequence[str] = ()) -> str:
    """Return the error message for an unknown flag; it suggests flags, and settings to pass with `--set`.

    Args:
        name: The unknown flag.
        arguments: All arguments of the program, which hold its value.
        known: The known flags.
        settings: The names that `--set` takes.

    >>> unknown_flag("lr", ["--lr=0.1"], ["learning_rate"])
    'Unknown flag --lr. Did you mean --learning_rate=0.1?'
    >>> unknown_flag("dropout", ["--dropout=0.5"], ["epochs"], ["deep_dropout", "embedding_dropout"])
    'Unknown flag --dropout. Did you mean --set=deep_dropout=0.5 or --set=embedding_dropout=0.5?'
    """
    value = next((text.partition("=")[2] for text in arguments if re.match(f"--?{re.escape(name)}=", text)), "")
    synonyms = SYNONYMS | (dict.fromkeys(("out", "output_dir", "out_dir"), "output") if "output" in known else {})
    found = closest(name, list(dict.fromkeys([*known, *settings])), synonyms)
    sign = "=" if value or any(near not in known for near in found) else ""
    texts = [f"--{'' if near in known else 'set='}{near}{sign}{value or '...' * bool(sign)}" for near in found]
    hint = f"Did you mean {' or '.join(texts)}?" if found else "--help lists all flags."
    return f"Unknown flag --{name}. {hint}"


def paragraphs(title: str, entries: Mapping[str, str]) -> str:
    """Return a part of a help text: a title, then entries and their explanations."""
    lines = [f"\n{title}:"]
    for entry, explanation in entries.items():
        lines += [f"  {entry}", *([f"    {explanation}"] if explanation else [])]
    return "\n".join(lines) + "\n"


def with_homes(arguments: Sequence[str]) -> list[str]:
    """Expand ~ at the beginning of values, because shells do not expand it after --flag=."""
    home = os.path.expanduser("~")
    return [re.sub(r"^((?:--\w+=)?(?:\w+=)?)~(?=/|$)", lambda found: found[1] + home, text) for text in arguments]


def _exit_code(interrupt):
    return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)


def _interrupt(number, frame):
    raise KeyboardInterrupt(number)
