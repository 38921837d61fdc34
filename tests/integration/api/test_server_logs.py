"""What libraries log has the form of all lines."""

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import logging
from depthcast.telemetry.logs import bridge_library_logs, configure_logs

configure_logs(for_people=False)
bridge_library_logs()
logging.getLogger("uvicorn.error").info("chatter")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received from %s.", "192.0.2.7")
logging.getLogger("asyncio").error("wrong %d form", "no number")
try:
    raise RuntimeError("of a task")
except RuntimeError:
    logging.getLogger("asyncio").exception("Task exception was never retrieved")
"""


def lines_of(program: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of JSON on standard error, and the others."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines, others = [], []
    for line in ran.stderr.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            others.append(line)
    return lines, others


def test_lines_of_libraries_are_json_too() -> None:
    lines, _ = lines_of(PROGRAM)
    assert [(line["level"], line["logger"], line["event"]) for line in lines] == [
        ("warning", "uvicorn.error", "Invalid HTTP request received from 192.0.2.7."),
        ("error", "asyncio", "Task exception was never retrieved"),
    ]
    assert "of a task" in json.dumps(lines[-1])


def test_a_line_that_cannot_be_formed_does_not_end_the_program() -> None:
    _, others = lines_of(PROGRAM)
    assert any("wrong %d form" in line for line in others)
