"""An S3 that answers on a port of this machine: moto's server in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import boto3

__all__ = ["S3Server", "s3_server"]

START_S = 30.0


class S3Server:
    """moto's server. It can be taken away and brought back, on the same port; it forgets everything then.

    Attributes:
        endpoint: its address.
        variables: what a client needs in its environment to find it.
    """

    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.variables = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.variables},
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"moto's server did not start: {self._log.read_text()[-2000:]}")

    def pause(self) -> None:
        """Take it away for its clients; it keeps what it has. Connections wait."""
        if self._process is not None:
            self._process.send_signal(19)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(18)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def make_bucket(self, name: str) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - moto takes any
        )
        client.create_bucket(Bucket=name)


@contextmanager
def s3_server(log: Path) -> Iterator[S3Server]:
    server = S3Server(log).start()
    try:
        yield server
    finally:
        server.stop()
