"""Depth over HTTP where it is stored on a finer grid than a second, and where it is not."""

import pytest

from depthcast.journal.segments import ClosedSegment
from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import asked, compacted, pages
from tests.support.postgres import Server
from tests.support.rest import problem
from tests.support.stored import Contents, expected_contents

CLX5 = {"instrument": "CLX5"}
NS_PER_MS = 1_000_000
PATH = "/v1/history/depth"


@pytest.fixture(scope="module")
def fine(postgres: Server, clx5_segments: list[ClosedSegment]) -> str:
    """The real day with depth every 100 ms."""
    url = postgres.fresh()
    run(compacted(url, clx5_segments, grid_ms=100))
    return url


@pytest.fixture(scope="module")
def contents(clx5_records: bytes) -> Contents:
    return expected_contents(clx5_records, grid_ms=100)


@pytest.mark.parametrize(("step", "step_ms"), [("100ms", 100), ("500ms", 500), (None, 1_000), ("1m", 60_000)])
def test_a_step_has_the_last_row_that_is_stored_of_it(
    step: str | None, step_ms: int, fine: str, contents: Contents
) -> None:
    step_ns = step_ms * NS_PER_MS
    last = {-(-int(row[0]) // step_ns) * step_ns: row for row in contents["depth"]}

    async def test(api: Api) -> None:
        rows = await pages(api, PATH, [7, 1_000, 10_000], **CLX5, **({} if step is None else {"step": step}))
        shown = [(int(row["ts"]), int(row["position"]), int(row["ts_recv"])) for row in rows]
        assert shown == [(ts, last[ts][3], last[ts][6]) for ts in sorted(last)]

    asked(fine, test)


def test_steps_that_the_grid_does_not_give_are_a_problem(fine: str, clx5_history: str) -> None:
    async def of_100_ms(api: Api) -> None:
        for step in ("10ms", "50ms", "250ms"):
            found = problem(await api.get(PATH, params={**CLX5, "step": step}), 422, "invalid-parameter")
            message = "is no multiple of 100 ms, the grid of what is stored"
            assert found["errors"] == [{"field": "step", "message": message, "in": "query"}]

    async def of_seconds(api: Api) -> None:
        problem(await api.get(PATH, params={**CLX5, "step": "500ms"}), 422, "invalid-parameter")
        for kind in ("bbo", "ohlcv"):
            path = f"/v1/history/{kind}"
            problem(await api.get(path, params={**CLX5, "step": "500ms"}), 422, "invalid-parameter")

    asked(fine, of_100_ms)
    asked(clx5_history, of_seconds)
