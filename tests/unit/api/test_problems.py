"""Problem documents: stable types, all of them documented, nothing told that is nobody's business."""

import json
import re
from pathlib import Path

import pytest
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from depthcast.api.problem_types import PROBLEMS
from depthcast.api.problems import ApiProblem, as_problem, document, invalid
from depthcast.errors import (
    AmbiguousBookError,
    AmbiguousInstrumentError,
    UnknownBookError,
    UnknownInstrumentError,
    UnknownOrderError,
)

ROOT = Path(__file__).resolve().parents[3]


def told(error: Exception) -> dict[str, object]:
    body = document(as_problem(error), instance="/v1/x", request_id="1-2")
    found: dict[str, object] = json.loads(body)
    return found


def test_the_page_of_problems_lists_them_as_they_are() -> None:
    text = (ROOT / "docs" / "problems.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert [(name, int(status), title, meaning) for name, status, title, meaning in rows] == [
        (kind.name, kind.status, kind.title, kind.meaning) for kind in PROBLEMS.values()
    ]


def test_names_are_fit_for_a_path() -> None:
    for name, kind in PROBLEMS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert 400 <= kind.status <= 599
        assert kind.meaning.endswith(".")


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (ApiProblem("book-busy", "wait"), 503, "book-busy"),
        (AmbiguousBookError("say which"), 409, "ambiguous-book"),
        (UnknownBookError("none"), 404, "unknown-book"),
        (UnknownOrderError("none"), 404, "unknown-order"),
        (UnknownInstrumentError("none"), 404, "unknown-instrument"),
        (AmbiguousInstrumentError("two", choices=("A:X", "B:X")), 409, "ambiguous-instrument"),
        (NotFoundException(), 404, "not-found"),
        (MethodNotAllowedException(headers={"allow": "GET"}), 405, "method-not-allowed"),
        (ClientException("Invalid host header"), 400, "malformed-request"),
        (HTTPException(status_code=413), 413, "content-too-large"),
        (HTTPException(status_code=415), 415, "unsupported-media-type"),
        (HTTPException(status_code=429), 429, "rate-limited"),
        (HTTPException(status_code=418), 500, "internal-error"),
        (ValidationException("no field"), 400, "malformed-request"),
        (RuntimeError("secret"), 500, "internal-error"),
        (KeyError("secret"), 500, "internal-error"),
    ],
)
def test_every_error_has_its_problem(error: Exception, status: int, name: str) -> None:
    body = told(error)
    assert (body["status"], body["type"]) == (status, f"/v1/problems/{name}")
    assert (body["instance"], body["request_id"]) == ("/v1/x", "1-2")
    assert body["title"] == PROBLEMS[name].title
    assert body["detail"]
    assert "secret" not in json.dumps(body)


def test_fields_are_named() -> None:
    assert told(invalid("depth", "too deep"))["errors"] == [
        {"field": "depth", "message": "too deep", "in": "query"}
    ]
    extra = [{"key": "depth", "message": "Expected `int`, got `str`", "source": "query"}]
    body = told(ValidationException("x", extra=extra))
    assert body["errors"] == [{"field": "depth", "message": "expected an integer", "in": "query"}]
    assert body["detail"] == "depth: expected an integer"


def test_a_members_absence_is_no_null() -> None:
    assert set(told(NotFoundException())) == {"type", "title", "status", "detail", "instance", "request_id"}
