"""Where a feed's history begins is a time whose books the journal has."""

from pathlib import Path
from typing import Final

import pytest

from depthcast.dbn import make_metadata
from depthcast.journal.past import Past
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.writer import JournalWriter
from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import asked, compacted
from tests.support.postgres import Server
from tests.support.records import LAST, add, trade

FIRST: Final = 1_758_742_200_000_001_000
DATASET: Final = "ONE.X"


@pytest.mark.parametrize("beyond_ns", [1, 999])
@pytest.mark.parametrize("begins_with", ["order", "trade"])
def test_the_first_time_can_be_asked_for(
    begins_with: str, beyond_ns: int, postgres: Server, tmp_path: Path
) -> None:
    first = FIRST + beyond_ns
    writer = JournalWriter.open(tmp_path, "", DATASET, "0", JournalPolicy())
    writer.begin(0, make_metadata(DATASET, None, 1, mappings={"A": 1}), b"", b"")
    if begins_with == "order":
        writer.append(add(5, "B", 10**9, 1, instrument_id=1, ts_recv=first), 1)
    else:
        writer.append(trade("B", 10**9, 1, LAST, instrument_id=1, ts_recv=first), 1)
    writer.append(add(7, "B", 10**9, 1, instrument_id=1, ts_recv=first + 9_000_000), 1)
    writer.close()
    past = Past(str(tmp_path))
    segments = [each for each in past.readers()[0].segments() if isinstance(each, ClosedSegment)]
    past.close()
    url = postgres.fresh()
    run(compacted(url, segments))

    async def test(api: Api) -> None:
        [feed] = (await api.get("/v1/history")).json()["feeds"]
        at = int(feed["available_from"])
        assert first <= at <= first + 2_000  # the ledger knows the microsecond
        book = await api.get(f"/v1/books/{DATASET}:1?at={at}")
        assert book.status_code == 200, book.text
        assert book.json()["past"]["position"] == 1

    asked(url, test, journal=str(tmp_path))
