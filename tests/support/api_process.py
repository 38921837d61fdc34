"""`depthcast api` as a process of its own, asked over HTTP and WebSocket."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from websockets.sync.client import ClientConnection, connect

from tests.support.command import PROGRAM
from tests.support.feed_process import KEY

__all__ = ["ApiProcess"]

START_S: Final = 30.0
QUICK: Final = ("api.drain_accept_s=0", "api.drain_spread_s=0.2", "api.anonymous_read=true")


class ApiProcess:
    """A running API. Its log is read all the time; `wait_for` waits for an event in it.

    Args:
        feeds: ``HOST:PORT/DATASET`` each.
        arguments: more of ``depthcast api``.
        settings: ``key=value`` each; the last one of a key counts.
        alone: in a process group of its own, which can be signalled as a terminal's would be.
    """

    def __init__(
        self,
        *feeds: str,
        arguments: tuple[str, ...] = (),
        settings: tuple[str, ...] = (),
        cwd: Path | None = None,
        alone: bool = False,
    ) -> None:
        given = [part for feed in feeds for part in ("--feed", feed)] + list(arguments)
        if "--listen" not in given:
            given += ["--listen", "127.0.0.1:0"]
        for each in (*QUICK, *settings):
            given += ["--set", each]
        self.log: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [*PROGRAM, "api", *given],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env={**os.environ, "DEPTHCAST_KEY": KEY},
            start_new_session=alone,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.errors.append(line.decode())
                self._news.notify_all()

    def wait_for(
        self, event: str, *, times: int = 1, timeout_s: float = START_S, **values: Any
    ) -> dict[str, Any]:
        """The so-manieth log line of this event with these values.

        Raises:
            AssertionError: it does not come in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                found = [
                    line for line in self.log if line["event"] == event and values.items() <= line.items()
                ]
                if len(found) >= times:
                    return found[times - 1]
                left = deadline - time.monotonic()
                assert left > 0, f"no {event!r} in time: {self.log} {self.errors}"
                assert self.process.poll() is None, f"the API ended: {self.log} {self.errors}"
                self._news.wait(min(left, 0.2))

    def ready(self) -> Self:
        """Wait until it says that it is ready (of several workers, that the first is)."""
        self.wait_for("ready")
        return self

    @property
    def port(self) -> int:
        return int(self.wait_for("listening")["address"].rpartition(":")[2])

    def get(self, path: str, timeout_s: float = 5) -> tuple[int, Any]:
        """The status, and the JSON of the body."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    @contextmanager
    def stream(
        self, instrument: str, channel: str = "bbo", *, rate: int = 20, depth: int = 5
    ) -> Iterator[ClientConnection]:
        """A WebSocket that is subscribed to one instrument."""
        order = {"op": "subscribe", "id": 1, "channel": channel, "instruments": [instrument], "rate": rate}
        if channel == "book":
            order["depth"] = depth
        url = f"ws://127.0.0.1:{self.port}/v1/stream"
        with connect(url, compression=None, close_timeout=2) as connection:
            connection.send(json.dumps(order))
            yield connection

    def streams(self, stack: ExitStack, instrument: str, count: int) -> list[ClientConnection]:
        """So many of them, on channel bbo."""
        return [stack.enter_context(self.stream(instrument)) for _ in range(count)]

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 20) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 20) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(timeout_s)
        self._end()
        return code

    def _end(self) -> None:
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait(10)
        self._end()
