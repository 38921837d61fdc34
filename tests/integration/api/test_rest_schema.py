"""The API against its own OpenAPI document: requests that it allows and that it forbids, by schemathesis."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response

from depthcast.api.database import HistoryDatabase
from depthcast.api.exports import open_exporter
from depthcast.api.history import MAX_JSON_ROWS
from depthcast.api.hub.classes import CHANNELS as ALL_CHANNELS
from tests.support.api_thread import served_world
from tests.support.history_api import compacted, history_settings
from tests.support.journals import simulated_feed
from tests.support.postgres import Server, run
from tests.support.stored import recorded

EXAMPLES: Final = int(os.environ.get("DEPTHCAST_SCHEMA_EXAMPLES", "8"))
"""Requests of each operation and kind. More for a longer look."""
CHANNELS: Final = frozenset(ALL_CHANNELS)
OF_REPLAY: Final = frozenset({"replay", "start", "end", "speed", "channels"})
TOO_LONG: Final = 414
EVENTS: Final = "/v1/events"
"""Answers have no end here: another test reads their beginnings."""
RULES: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def url(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the API is served, with a history."""
    database = postgres.fresh()
    run(compacted(database, recorded(tmp_path_factory.mktemp("journal"), simulated_feed(), records=6_000)))
    settings = history_settings(database, exports=tmp_path_factory.mktemp("exports"), per_client=1_000)
    more = {"history": HistoryDatabase(settings), "exporter": open_exporter(settings)}
    with served_world(streams=None, settings=settings, **more) as url:
        yield url


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
def test_every_operation_keeps_to_the_document(url: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    left_out = set(schema.raw_schema["paths"]) - {operation.path for operation in operations}
    assert left_out == {"/v1/openapi.json"}  # the document itself
    checked = 0
    for operation in operations:
        if operation.path == EVENTS:
            continue
        if mode is GenerationMode.NEGATIVE and not operation.query and not operation.path_parameters:
            continue

        @RULES
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Case[Any]) -> None:
            query = case.query or {}
            # That these exclude each other no schema can say; other tests do.
            assume(query.get("format") != "dbn" or not {"depth", "orders"} & query.keys())
            if mode is GenerationMode.POSITIVE:
                assume(_can_be_meant(query) and _can_be_meant(case.body))
            response = case.call(timeout=10)
            if response.status_code != TOO_LONG:  # what is wrong with it may be very long
                case.validate_response(response)

        with contextlib.suppress(Unsatisfiable):  # of some paths no request is wrong
            check()
            checked += 1
    assert checked >= 6


def _can_be_meant(asked: object) -> bool:
    """Whether a question about history has its times in order, its own page, and its own form."""
    if not isinstance(asked, Mapping):
        return True
    there = {name for name, value in asked.items() if value is not None}
    ordered = not {"start", "end"} <= there and "cursor" not in there
    return ordered and int(asked.get("limit") or 0) <= MAX_JSON_ROWS and not {"kind", "step"} <= there


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
def test_events_keep_to_the_document(url: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")[EVENTS]["GET"]
    # That a replay and live channels exclude each other no schema of parameters can say; other tests do.
    operation.query.items[:] = [each for each in operation.query.items if each.name not in OF_REPLAY]
    statuses = set()

    @RULES
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        # That one of them must be there, no schema of parameters can say; unit tests do.
        assume(CHANNELS & (case.query or {}).keys())
        with requests.request(**case.as_transport_kwargs(url), stream=True, timeout=10) as answer:
            statuses.add(answer.status_code)
            if answer.status_code == requests.codes.ok:
                assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
                assert next(answer.iter_lines()) == b"retry: 2000"
            elif answer.status_code != TOO_LONG:
                case.validate_response(Response.from_requests(answer, verify=True))

    check()
    assert statuses
    with requests.get(f"{url}{EVENTS}?book=CLX5,ESZ5&depth=5", stream=True, timeout=10) as answer:
        assert next(answer.iter_lines()) == b"retry: 2000"
