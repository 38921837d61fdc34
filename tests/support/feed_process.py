"""`depthcast feed` as a process of its own, and what the official client receives from it."""

import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final, Self

import databento

from depthcast.book.derive import SCHEMAS, derived_schema
from depthcast.dbn import RType, forms, read_dbn
from tests.support.command import PROGRAM

KEY: Final = "db-AAAAAAAAAAAAAAAAAAAAAAAAbUcKt"
START_S: Final = 30.0
HAND_OVER: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A supervisor's part: the socket becomes descriptor 3 of the program."""


class FeedProcess:
    """A running feed. Its log is read all the time; `wait_for` waits for an event in it.

    Args:
        arguments: of ``depthcast feed``.
        key: the key that it accepts.
        cwd: where it runs.
        listener: a listening socket that it is handed over.
        file_bytes: no file of it can grow beyond that, as if the disk were full then.
    """

    def __init__(
        self,
        *arguments: object,
        key: str | None = KEY,
        cwd: Path | None = None,
        listener: socket.socket | None = None,
        file_bytes: int | None = None,
    ) -> None:
        given = list(map(str, arguments))
        if "--listen" not in given:
            given += ["--listen", "127.0.0.1:0"]
        if "--admin" not in given:
            given += ["--admin", "127.0.0.1:0"]
        if key is not None:
            given += ["--key", key]
        self.log: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        program = list(PROGRAM)
        handed_over = []
        if listener is not None:
            handed_over = [listener.fileno()]
            program = [sys.executable, "-c", HAND_OVER, str(listener.fileno()), *PROGRAM]
        self.process = subprocess.Popen(
            [*program, "feed", *given],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            pass_fds=handed_over,
        )
        if file_bytes is not None:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
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
        with self._news:
            self._news.notify_all()

    def wait_for(self, event: str, timeout_s: float = START_S) -> dict[str, Any]:
        """The first log line of this event.

        Raises:
            AssertionError: it does not come in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                for line in self.log:
                    if line["event"] == event:
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"no {event!r} in time: {self.log} {self.errors}"
                assert self.process.poll() is None, f"the feed ended: {self.log} {self.errors}"
                self._news.wait(min(left, 0.2))

    @property
    def port(self) -> int:
        """Where subscribers connect."""
        return int(self.wait_for("listening")["addresses"][0].rpartition(":")[2])

    @property
    def admin_port(self) -> int:
        return int(self.wait_for("listening")["admin"].rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 30) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 60) -> int:
        """The exit code, once it has ended by itself."""
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
            self.process.kill()
            self.process.wait(10)
        self._end()


def official(
    feed: FeedProcess, path: Path, dataset: str, schema: str = "mbo", **subscription: Any
) -> "Heard":
    """Start the official client, writing what it receives to ``path``."""
    options = {key: subscription.pop(key) for key in ("ts_out", "compression") if key in subscription}
    live = databento.Live(key=KEY, gateway="127.0.0.1", port=feed.port, **options)
    live.subscribe(
        dataset=dataset, schema=schema, symbols=subscription.pop("symbols", "ALL_SYMBOLS"), **subscription
    )
    live.add_stream(str(path))
    live.start()
    return Heard(live, path)


class Heard:
    """What an official client has received."""

    def __init__(self, live: Any, path: Path) -> None:
        self.live = live
        self.path = path

    def records(self, schema: str = "mbo", timeout_s: float = 60) -> bytes:
        """The records of a schema as they were received, once the feed has ended the session."""
        self.live.block_for_close(timeout=timeout_s)
        file = read_dbn(self.path)
        data = forms.plain(file.data, ts_out=file.metadata.ts_out)
        return forms.form(data, rtypes={derived_schema(schema).rtype if schema in SCHEMAS else RType.MBO})
