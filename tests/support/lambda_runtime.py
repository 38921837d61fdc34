"""A function as AWS Lambda runs it: a process of ``awslambdaric``, which asks an API for its events."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

__all__ = ["FunctionError", "LambdaFunction", "lambda_function"]

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "/2018-06-01/runtime/"
_ARN: Final = "arn:aws:lambda:us-east-1:123456789012:function:"


class FunctionError(Exception):
    """The function raised, did not start, or ended. Its message is the function's."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.kind = str(document.get("errorType", ""))
        super().__init__(str(document.get("errorMessage", "")))


class _Invocation(NamedTuple):
    request_id: str
    event: bytes
    deadline_ms: int
    trace: str


class _RuntimeApi(BaseHTTPRequestHandler):
    """What the function's process asks and tells."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        invocation = self.server.next.get()
        if invocation is None:
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": _ARN + "test",
        }
        if invocation.trace:
            headers["Lambda-Runtime-Trace-Id"] = invocation.trace
        self._answer(200, invocation.event, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.answers.put((self.path.removeprefix(PREFIX), body))
        self._answer(202, b'{"status": "OK"}', {})

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what matters."""

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApi)
        self.next: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()


class LambdaFunction:
    """A function's process. One event is with it at a time.

    Args:
        handler: ``module.function``.
        variables: its environment beside what Lambda gives.
        log: where its output goes.
    """

    def __init__(self, handler: str, variables: Mapping[str, str], log: Path) -> None:
        self._server = _Server()
        self._log = log
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                env={
                    **kept,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                    "AWS_LAMBDA_FUNCTION_NAME": handler.split(".")[1],
                    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                    **variables,
                },
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def invoke(self, event: object, *, timeout_s: float = 60.0, trace: str = "") -> Any:
        """Give it an event; what it answers. Lambda would end it after ``timeout_s``, and so is it here.

        Raises:
            FunctionError: it raised, did not start, or is over its time.
        """
        deadline = time.time() + timeout_s
        request_id = str(uuid.uuid4())
        self._server.next.put(
            _Invocation(request_id, json.dumps(event).encode(), int(deadline * 1000), trace)
        )
        while time.time() < deadline:
            try:
                path, body = self._server.answers.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is not None and self._server.answers.empty():
                    break
                continue
            if path == f"invocation/{request_id}/response":
                return json.loads(body)
            raise FunctionError(json.loads(body))
        self.process.kill()
        raise FunctionError({"errorType": "Ended", "errorMessage": self.output[-2_000:]})

    @property
    def output(self) -> str:
        """All it wrote."""
        return self._log.read_text()

    def lines(self, **having: object) -> list[dict[str, Any]]:
        """The lines of JSON that it wrote, those that have these values."""
        found = []
        for line in self.output.splitlines():
            if line.startswith("{"):
                document = json.loads(line)
                if having.items() <= {key: document.get(key) for key in having}.items():
                    found.append(document)
        return found

    def metric(self, name: str) -> float:
        """The sum of a metric over all that it sent."""
        total = 0.0
        for line in self.lines():
            value = line.get(name) if "_aws" in line else None
            total += sum(value) if isinstance(value, list) else value or 0
        return total

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._server.next.put(None)
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def lambda_function(handler: str, variables: Mapping[str, str], log: Path) -> Iterator[LambdaFunction]:
    """A function for as long as the block lasts."""
    with LambdaFunction(handler, variables, log) as function:
        yield function
