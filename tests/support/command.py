"""Running the command: in this process, where its streams are kept apart, or in one of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, NamedTuple

import jsonschema

from depthcast.cli import main

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMA: Final = json.loads((ROOT / "docs" / "book.schema.json").read_text())
LINE_SCHEMA: Final = {"$ref": "#/$defs/line", "$defs": SCHEMA["$defs"]}
PROGRAM: Final = (sys.executable, "-c", "from depthcast.cli import main; raise SystemExit(main())")


class Result(NamedTuple):
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as one JSON document, which fits the schema of books."""
        document = json.loads(self.out)
        jsonschema.validate(document, SCHEMA)
        return document

    @property
    def lines(self) -> list[Any]:
        """The output as lines of JSON, each of which fits the schema, of lines and as a whole."""
        lines = [json.loads(line) for line in self.out.splitlines()]
        for line in lines:
            jsonschema.validate(line, LINE_SCHEMA)
            jsonschema.validate(line, SCHEMA)
        return lines


def command(*arguments: object) -> Result:
    """Run ``depthcast`` with these arguments in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Result(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def spawn(*arguments: object, stdin: Any = subprocess.DEVNULL, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``depthcast`` as a process of its own; its output and error are pipes unless ``options`` say."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdin=stdin,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        env={**os.environ, **options.pop("variables", {})},
        **options,
    )


def finish(process: subprocess.Popen[bytes], given: bytes | None = None) -> Result:
    """Wait for a process, with ``given`` as its input."""
    out, err = process.communicate(given, timeout=60)
    return Result(process.returncode, (out or b"").decode(), (err or b"").decode())


def prices(levels: Sequence[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """A side of a book as (price, size, count)."""
    return [(level["price"], level["size"], level["count"]) for level in levels]


def keys(books: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Which books these are: (publisher_id, instrument_id)."""
    return [(book["metadata"]["publisher_id"], book["metadata"]["instrument_id"]) for book in books]
