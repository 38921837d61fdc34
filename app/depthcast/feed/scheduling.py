"""Who runs first when the feed's threads want the processor at the same time: the loop.

Nothing here needs privileges, and a system that knows none of it goes on without.
"""

import contextlib
import ctypes
import os
import platform
import threading
from typing import Final

__all__ = ["give_way", "run_promptly"]

NICENESS: Final = 10
"""Of threads that follow the loop or read ahead of it: they have milliseconds."""
LONG_SLICE_NS: Final = 10_000_000
"""What they ask to run for at a time."""
SLICE_NS: Final = 100_000
"""What the loop asks for, the least there is: who asks for less runs sooner."""

_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""The system call's number: the C library has no function for it before glibc 2.41."""


_REAL_TIME: Final = (os.SCHED_FIFO, os.SCHED_RR)


class _Attributes(ctypes.Structure):
    """Linux's ``struct sched_attr`` (sched_setattr(2)), in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def give_way(niceness: int = NICENESS) -> None:
    """Let the calling thread run after the loop's where both could.

    In a process that was given a real-time priority, which knows no niceness, it takes the priority below.
    """
    policy = os.sched_getscheduler(0)
    with contextlib.suppress(OSError):
        if policy in _REAL_TIME:
            priority = os.sched_getparam(0).sched_priority
            os.sched_setscheduler(0, policy, os.sched_param(max(priority - 1, 1)))
        else:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    _ask_for(LONG_SLICE_NS)  # a thread begins with the slice of the one that made it


def run_promptly() -> None:
    """Have the calling thread run soon after it wakes, for a short slice at a time.

    Linux takes the slice of an ordinary thread from `sched_setattr` since 6.12 (EEVDF); before it is ignored.
    """
    _ask_for(SLICE_NS)


def _ask_for(slice_ns: int) -> None:
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    attributes = _Attributes(ctypes.sizeof(_Attributes), os.SCHED_OTHER, 0, nice, 0, slice_ns, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0)
