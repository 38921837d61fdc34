"""Ctrl-C and SIGTERM while something is followed: a wish to end in order, then to end at once."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["Interrupts"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Takes both signals while it is entered. A context manager; only the main thread gets signals.

    The first is a wish: who follows is asked to stop. Another raises KeyboardInterrupt where the program
    is. Once something is being finished (`hold`) the next one is only noted, for `check`, so that nothing
    half-written is left; it takes one more to break that off too.
    """

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._stop: Callable[[], object] | None = None
        self._held = self._noted = False

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            try:
                self._previous[number] = signal.signal(number, self._came)
            except ValueError:  # not in the main thread
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def ask(self, stop: Callable[[], object] | None) -> None:
        """Call ``stop`` at the first signal; None: nobody is to be asked (any more)."""
        self._stop = stop

    def hold(self) -> None:
        """From here on the next signal is noted instead of raised."""
        self._held = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if one was noted."""
        if self._noted:
            raise KeyboardInterrupt

    def _came(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's arguments
        if self._held and not self._noted:
            self._noted = True
        elif self._stop is not None and not self._held:
            stop, self._stop = self._stop, None
            stop()
        else:
            raise KeyboardInterrupt
