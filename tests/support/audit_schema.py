"""docs/audit.schema.json is the report's types: ``python -m tests.support.audit_schema`` writes it."""

import inspect
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from depthcast.book.audit.report import AuditReport

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "audit.schema.json"


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    made = msgspec.json.schema(AuditReport)
    for definition in made["$defs"].values():
        definition["description"] = " ".join(inspect.cleandoc(definition["description"]).split())
    heading = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The report of depthcast audit --json",
    }
    return heading | made


def main() -> None:
    """Write the file."""
    PATH.write_text(json.dumps(schema(), indent=2) + "\n")


if __name__ == "__main__":
    main()
