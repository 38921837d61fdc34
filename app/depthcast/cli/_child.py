"""One of our own commands as a process beside this one, whose log is read all the time."""

import json
import os
import subprocess  # nosec B404
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from depthcast.errors import SourceError

__all__ = ["Child"]

PROGRAM: Final = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
from depthcast.cli import main
raise SystemExit(main())
"""
"""It is told to end when its parent is gone, however that ended: PR_SET_PDEATHSIG, prctl(2)."""
LAST_LINES: Final = 5
LOOK_S: Final = 0.1


class Child:
    """A running command. It is not in this process's group: Ctrl-C reaches it by `stop` alone.

    Args:
        arguments: of ``depthcast``.
        variables: set in its environment, beside those of this process; None takes one away.
        on_trouble: told of warnings and errors in its log, on a thread.
    """

    def __init__(
        self,
        *arguments: str,
        variables: Mapping[str, str | None],
        on_trouble: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.name = arguments[0]
        self._on_trouble = on_trouble
        self._news = threading.Condition()
        self._events: dict[str, dict[str, Any]] = {}
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._stopping = False
        self._process = subprocess.Popen(  # noqa: S603 # nosec B603
            [sys.executable, "-c", PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={name: value for name, value in {**os.environ, **variables}.items() if value is not None},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"{self.name} log", daemon=True)
        self._reader.start()

    def wait_for(self, event: str, timeout_s: float, stopped: threading.Event) -> dict[str, Any] | None:
        """The first line of its log with this event; None where ``stopped`` came first.

        Raises:
            SourceError: it ended, or did not say so in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._news:
            while event not in self._events:
                if stopped.is_set():
                    return None
                self._news.wait(LOOK_S)
                self._check()
                if time.monotonic() > deadline:
                    raise SourceError(f"the {self.name} did not come up in {timeout_s:g} s: {self._last()}")
            return self._events[event]

    def check(self) -> None:
        """Raises SourceError if it has ended by itself."""
        with self._news:
            self._check()

    def stop(self, timeout_s: float) -> int:
        """Let it end in order, or end it if it takes longer; its exit code."""
        self._stopping = True
        self._process.terminate()
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = self.kill()
        self._reader.join(1)
        return code

    def kill(self) -> int:
        """End it at once."""
        self._stopping = True
        self._process.kill()
        return self._process.wait()

    def _check(self) -> None:
        if self._process.poll() is not None and not self._stopping:
            self._reader.join(1)
            raise SourceError(f"the {self.name} ended (exit code {self._process.returncode}): {self._last()}")

    def _last(self) -> str:
        return " ".join(self._said) or "it said nothing"

    def _read(self) -> None:
        if self._process.stderr is None:
            return
        for raw in self._process.stderr:
            line = raw.decode(errors="replace").strip()
            with self._news:
                try:
                    said = json.loads(line)
                    self._events.setdefault(str(said["event"]), said)
                except (ValueError, TypeError, KeyError):
                    said = None
                    self._said.append(line.removeprefix("depthcast: error: "))
                self._news.notify_all()
            if said is not None and said.get("level") in ("warning", "error") and not self._stopping:
                self._on_trouble(self.name, said)
