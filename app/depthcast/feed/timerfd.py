"""A timer on the event loop with a grain of microseconds: Linux timerfd.

asyncio's and uvloop's own timers have a grain of a millisecond, and sleeping less than that spins. A timerfd
becomes readable at its time; the loop waits for it as for any socket.
"""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Timer"]

_NS_PER_S: Final = 1_000_000_000
_ABSOLUTE: Final = 1
"""TFD_TIMER_ABSTIME."""


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Timer:
    """Calls ``callback`` on the loop once at each time it is set to. It counts CLOCK_MONOTONIC.

    Args:
        loop: asyncio's or uvloop's.
        callback: called on the loop. It may set the timer again.

    Raises:
        OSError: the system has no timerfd (it is not Linux), or the process has no file descriptor left.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._file = _create()
        self._armed = False
        if sys.version_info < (3, 13):
            self._spec = _TimerSpec()
            self._reference = ctypes.byref(self._spec)
            self._settime = _libc().timerfd_settime
        loop.add_reader(self._file, self._expired)

    def at(self, monotonic_ns: int) -> None:
        """Call back at this time, at once if it is past. An earlier setting is forgotten."""
        self._set(max(monotonic_ns, 1))  # 0 would disarm it
        self._armed = True

    def cancel(self) -> None:
        """Do not call back."""
        if self._armed:
            self._armed = False
            self._set(0)

    def close(self) -> None:
        """Give up the file descriptor; more than once is allowed."""
        if self._file < 0:
            return
        self._armed = False
        if not self._loop.is_closed():
            self._loop.remove_reader(self._file)
        os.close(self._file)
        self._file = -1

    def _expired(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:  # set to another time after it became readable
            return
        if self._armed:
            self._armed = False
            self._callback()

    if sys.version_info >= (3, 13):

        def _set(self, when_ns: int) -> None:
            os.timerfd_settime_ns(self._file, flags=_ABSOLUTE, initial=when_ns)

    else:

        def _set(self, when_ns: int) -> None:
            value = self._spec.value
            value.seconds, value.ns = divmod(when_ns, _NS_PER_S)
            if self._settime(self._file, _ABSOLUTE, self._reference, None) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"timerfd_settime: {os.strerror(number)}")


def _create() -> int:
    flags = os.O_NONBLOCK | os.O_CLOEXEC
    if sys.version_info >= (3, 13):
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=flags)
    file = int(_libc().timerfd_create(time.CLOCK_MONOTONIC, flags))
    if file < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"timerfd_create: {os.strerror(number)}")
    return file


def _libc() -> Any:
    """The C library, called without letting go of the GIL: setting a timer takes less than that would.

    Raises:
        OSError: it has no timerfd.
    """
    if not sys.platform.startswith("linux"):
        raise OSError("pacing needs Linux: this system has no timerfd")
    return ctypes.PyDLL(None, use_errno=True)
