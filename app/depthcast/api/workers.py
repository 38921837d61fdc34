"""Several processes that serve one port: made by a parent that binds it, watches them, and ends with them.

Each worker has a listening socket of its own on the port (SO_REUSEPORT), so that the kernel spreads
connections evenly: streams last for hours, and a shared queue would give most of them to who happens to wake
first. The parent keeps all sockets open: connections to a worker that died wait for the next in its place.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from depthcast.live.address import Address

__all__ = ["Supervisor", "listen"]

PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before a worker is replaced that died at its start: the first time, the second in a row, ..."""
LIVED_S: Final = 10.0
"""A worker that lived so long did not die at its start."""
KILL_AFTER_S: Final = 2.0
"""A worker that is to end at once is given so long."""
ORDERLY: Final = frozenset({2, 3, 4})
"""Exit codes of errors that another start would meet again."""

_SIGNALS: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}

log = structlog.get_logger("depthcast.api")


def listen(address: Address, count: int, backlog: int) -> list[socket.socket]:
    """Listening sockets on one port, one a worker; port 0 is a free one. Of a name with both, IPv4 is meant.

    Raises:
        OSError: naming the address: it is in use, not of this machine, not allowed.
    """
    opened: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
        # First as the only owner: by SO_REUSEPORT alone two programs would share the port and not know it.
        opened.append(_bound(family, place, shared=False))
        if count > 1:
            opened[0].listen(1)
            place = opened[0].getsockname()
            opened.pop().close()
            opened += [_bound(family, place, shared=True) for _ in range(count)]
        for each in opened:
            each.listen(backlog)
            each.setblocking(False)  # noqa: FBT003 - it takes no keyword
    except OSError as error:
        for each in opened:
            each.close()
        raise OSError(error.errno, error.strerror, str(address)) from error
    return opened


def _bound(family: int, place: object, *, shared: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(place)  # type: ignore[arg-type]
    except BaseException:
        bound.close()
        raise
    return bound


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and who has it.

    Attributes:
        pid: 0 while nobody has it.
        due: when it is given to somebody, on the monotonic clock.
        died: how many in a row died at their start.
    """

    number: int
    pid: int = 0
    began: float = 0.0
    due: float = 0.0
    died: int = 0


class Supervisor:
    """Keeps a process for each socket, until it is told to end.

    Args:
        sockets: one a worker.
        work: run in each worker, with its number, its socket and a descriptor that becomes readable when the
            parent is gone; returns the exit code. It is to drain at SIGTERM, and to end at once at another.
        end_s: how long workers may take to drain; who is there then is killed.

    Call it in a process of one thread: the workers are forks of it.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        work: Callable[[int, socket.socket, int], int],
        *,
        end_s: float,
    ) -> None:
        self._sockets = sockets
        self._work = work
        self._end_s = end_s
        self._workers = [_Worker(number) for number in range(len(sockets))]
        self._parent_gone, self._parent = os.pipe()
        self._code = 0
        self._ending = False
        self._kill_at = 0.0

    def run(self) -> int:
        """Watch over the workers; the exit code."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            while not self._ending or any(worker.pid for worker in self._workers):
                if not self._ending:
                    self._fill_places(before)
                came = signal.sigtimedwait(_SIGNALS, self._patience_s())
                if came is not None and came.si_signo != signal.SIGCHLD:
                    self._end(signal.Signals(came.si_signo).name)
                self._bury()
                if self._ending and time.monotonic() >= self._kill_at:
                    self._tell(signal.SIGKILL)
        finally:
            self._tell(signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(self._parent_gone)
            os.close(self._parent)
        return self._code

    def _fill_places(self, mask: Iterable[int]) -> None:
        for worker in self._workers:
            if not worker.pid and time.monotonic() >= worker.due:
                worker.began = time.monotonic()
                worker.pid = os.fork()
                if not worker.pid:
                    self._be(worker.number, mask)

    def _be(self, number: int, mask: Iterable[int]) -> None:
        """The child's life: it never returns to what its parent does."""
        code = 1
        try:
            os.close(self._parent)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent tells what to do
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for other, each in enumerate(self._sockets):
                if other != number:
                    each.close()
            code = self._work(number, self._sockets[number], self._parent_gone)
        finally:
            os._exit(code)

    def _patience_s(self) -> float:
        """Until something is to be done although no signal comes."""
        if self._ending:
            return max(self._kill_at - time.monotonic(), 0.01)
        waiting = [worker.due for worker in self._workers if not worker.pid]
        return max(min(waiting) - time.monotonic(), 0.01) if waiting else 3600.0

    def _bury(self) -> None:
        """Take note of who died."""
        for worker in self._workers:
            if not worker.pid:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            code, lived_s = os.waitstatus_to_exitcode(status), time.monotonic() - worker.began
            worker.pid = 0
            if self._ending:
                self._code = self._code or max(code, 0)
                continue
            if code in ORDERLY:
                log.error("worker ended", worker=worker.number, pid=pid, exit_code=code)
                self._code = code
                self._end("a worker cannot go on")
                continue
            worker.died = 0 if lived_s >= LIVED_S else worker.died + 1
            pause_s = PAUSES_S[min(max(worker.died - 1, 0), len(PAUSES_S) - 1)]
            worker.due = time.monotonic() + pause_s
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            log.error(
                "worker died", worker=worker.number, pid=pid, how=how, lived_s=lived_s, again_in_s=pause_s
            )

    def _end(self, why: str) -> None:
        """Once: let the workers drain. Again: at once."""
        again, self._ending = self._ending, True
        self._kill_at = time.monotonic() + (KILL_AFTER_S if again else self._end_s)
        log.info("stopping", reason=why, at_once=again)
        for each in self._sockets:  # who accepts is for the workers to say now
            each.close()
        self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, number)
