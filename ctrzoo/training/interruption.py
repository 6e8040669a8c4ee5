"""Ctrl-C and requests to end wait until training has reached a place where it can save a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal has arrived, and training has reached a place where it can stop."""


class DelayedSignals:
    """A context manager in which the first SIGINT or SIGTERM has no effect until `check` is called.

    When the context ends after `Interrupted`, it delivers the signal to the handler that was there before, as if the
    signal arrived then. By default, SIGINT raises `KeyboardInterrupt` and SIGTERM ends the process. A second signal is
    delivered at once. Ignored signals stay ignored, and outside the main thread nothing changes, because only the main
    thread receives signals.

    Args:
        active: Whether to delay signals at all.
        highest: Returns the highest of the numbers that all processes of a run pass, so that a signal to one of them
            ends all. They must call `check` equally often.

    >>> with DelayedSignals() as signals:
    ...     signals.check()
    """

    def __init__(self, active: bool = True, highest: Callable[[float], float] | None = None) -> None:
        self._highest = highest
        self.received: int | None = None
        self._active = active and threading.current_thread() is threading.main_thread()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> DelayedSignals:
        for number in SIGNALS if self._active else ():
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):  # None: a handler that is not Python's
                self._handlers[number] = handler
                signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()
        if self.received is not None and (error is None or isinstance(error, Interrupted)):
            signal.raise_signal(self.received)

    def check(self) -> None:
        """Raise `Interrupted` if a signal has arrived."""
        received = self.received or 0
        received = int(self._highest(received)) if self._highest else received
        if received:
            self.received = received
            raise Interrupted

    def checked(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the items; before each one, raise `Interrupted` if a signal has arrived."""
        for item in items:
            self.check()
            yield item

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
        else:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())
