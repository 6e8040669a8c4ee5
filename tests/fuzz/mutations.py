"""Seeded mutations of files, and the judgment of what a reader makes of them."""

import contextlib
import faulthandler
import os
import random
import signal
import time

# Inputs of each kind; `CTRZOO_FUZZ=10000 pytest -n 0 tests/fuzz` runs that many, without a limit of time.
INPUTS = int(os.environ.get("CTRZOO_FUZZ", 1000))
SECONDS = float("inf") if "CTRZOO_FUZZ" in os.environ else 0.4
SECONDS_PER_INPUT = 20
PIECES = [
    b"\0",
    b"\r",
    b"\n",
    b'"',
    b"\xff",
    b",",
    b"|",
    b":",
    b" ",
    b"[",
    b"]",
    b"{",
    b"&a ",
    b"*a ",
    b"- ",
    b"\xef\xbb\xbf",
]
PIECES += [b"1e400", b"nan", b"-1", b"9" * 30, b"0x10", b"null", b"no", b"\xed\xa0\x80", b"[/x]", b"x" * 10_000]


def seeds(kind):
    """Yield a generator of random numbers for each input of a kind, until the time is up."""
    start = time.monotonic()
    for number in range(INPUTS):
        if time.monotonic() - start > SECONDS:
            return
        yield random.Random(f"{kind} {number}")


def mutated(content, source):
    """Return bytes after one to three changes: bits, spans and pieces that readers stumble over."""
    content = bytearray(content)
    for _ in range(source.randint(1, 3)):
        place = source.randrange(len(content) + 1)
        span = slice(place, place + source.choice([1, 2, 8, 100]))
        change = source.choice(["flip", "flip", "delete", "double", "insert", "insert", "cut"])
        if change == "flip" and place < len(content):
            content[place] ^= 1 << source.randrange(8)
        elif change == "delete":
            del content[span]
        elif change == "double":
            content[place:place] = content[span] * source.choice([1, 1, 50])
        elif change == "insert":
            content[place:place] = source.choice(PIECES)
        elif change == "cut":
            del content[place:]
    return bytes(content)


class Outcome:
    """Whether an input was accepted."""

    accepted = False

    def __bool__(self):
        return self.accepted


@contextlib.contextmanager
def judged(what, collapsed=False):
    """Fail unless the block ends well, or in an error of ours in one line, in time; yield an `Outcome`.

    With `collapsed`, line ends in the message do not count: the programs print it in one line.
    """

    def stop(*_):
        raise TimeoutError(f"more than {SECONDS_PER_INPUT} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS_PER_INPUT)
    faulthandler.dump_traceback_later(3 * SECONDS_PER_INPUT, exit=True)  # if a library does not let the alarm through
    outcome = Outcome()
    try:
        yield outcome
        outcome.accepted = True
    except Exception as error:
        message, kind = str(error), type(error)
        is_ours = isinstance(error, (ValueError, OSError)) and not isinstance(error, (UnicodeError, TimeoutError))
        is_ours &= kind.__module__ == "builtins" or kind.__module__.startswith("ctrzoo.")
        if not is_ours or ("\n" in message and not collapsed) or not message:
            raise AssertionError(f"{what}: {kind.__name__}: {message[:500]}") from error
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
