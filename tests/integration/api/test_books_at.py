"""Books at a time, over HTTP: equal to those that ``reconstruct --at`` makes of the source."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import msgspec
import pytest

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.book.views import iso
from depthcast.dbn import DBNWriter, forms, make_metadata
from depthcast.journal.past import Past
from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world
from tests.support.command import command
from tests.support.gateways import run
from tests.support.journals import DATASET, simulated_feed
from tests.support.past import (
    SourceTimes,
    clx5_records,
    journal_of_lives,
    source_books,
    view_of,
    without_counts,
)
from tests.support.rest import problem

CLX5: Final = BookKey(1, 432669)
INSTANTS: Final = 1_000
YEAR_2100: Final = 4_102_444_800_000_000_000


@pytest.fixture(scope="module")
def clx5(data_dir: Path) -> bytes:
    return clx5_records(data_dir)


@pytest.fixture(scope="module")
def clx5_journal(clx5: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal_of_lives(tmp_path_factory.mktemp("clx5"), clx5, records=5_000)


@pytest.fixture(scope="module")
def simulated() -> bytes:
    return simulated_feed()


@pytest.fixture(scope="module")
def journal(simulated: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal_of_lives(tmp_path_factory.mktemp("simulated"), simulated, records=700)


@asynccontextmanager
async def travelling(journal: Path, **settings: Any) -> AsyncIterator[Api]:
    """An API whose feed has nothing to do with the journal."""
    given = api_settings(journal=str(journal), **settings)
    async with api_over(feed_of_the_world(), settings=given) as api:
        yield api


async def book(api: Api, instrument: object, at: int | str, **query: Any) -> dict[str, Any]:
    parameters = {"depth": 0, "orders": "true", "at": at, **query}
    answer = await api.get(f"/v1/books/{instrument}", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_thousand_instants_of_a_real_day(clx5: bytes, clx5_journal: Path) -> None:
    instants = SourceTimes(clx5).times(INSTANTS, seed=5)
    expectations = source_books(clx5, instants)

    async def main() -> None:
        async with travelling(clx5_journal) as api:
            for at, records, engine in islice(expectations, INSTANTS // 5):
                found = await book(api, "CLX5", at)
                assert found["past"] == {
                    "at": str(at),
                    "at_iso": iso(at),
                    "in_event": engine.status(432669).in_event,
                    "position": records,
                }
                expected = msgspec.to_builtins(view_of(engine, CLX5, "CLX5"))
                assert without_counts(found) == without_counts(expected)

    for _ in range(5):
        run(main())
    assert next(expectations, None) is None


def test_a_thousand_instants_of_a_simulated_day(simulated: bytes, journal: Path) -> None:
    """Several books, venues, phases, epochs; cut inside events."""
    instants = SourceTimes(simulated).times(INSTANTS, seed=6)
    past = Past(str(journal))
    inside = 0
    for at, records, engine in source_books(simulated, instants):
        for key in engine.books():
            found = past.book(str(key.instrument_id), at)
            assert found.position == records
            expected = msgspec.to_builtins(view_of(engine, key, None))
            ours = msgspec.to_builtins(view_of(found.engine, key, None))
            assert without_counts(ours) == without_counts(expected)
            assert ours["status"]["in_event"] == expected["status"]["in_event"]
            inside += ours["status"]["in_event"]
    assert inside > INSTANTS / 50
    assert past.frames.hits > past.frames.misses
    past.close()


def test_the_command_says_the_same(clx5: bytes, clx5_journal: Path, tmp_path: Path) -> None:
    source = tmp_path / "clx5.dbn"
    with DBNWriter(source, make_metadata(DATASET, "mbo", 0, mappings={"CLX5": 432669})) as writer:
        writer.write(clx5)
    instants = [Random(at).choice(SourceTimes(clx5).times(100, seed=at)) for at in range(3)]

    async def main() -> None:
        async with travelling(clx5_journal) as api:
            for at in instants:
                for moment in (at, iso(at)):
                    said = command("reconstruct", source, "--at", moment, "--orders", "-q").json
                    assert without_counts(await book(api, "CLX5", moment)) == without_counts(said)
                said = command("journal", "at", clx5_journal, str(at), "--orders", "-q").json
                assert without_counts(await book(api, f"{DATASET}:432669", at)) == without_counts(said)

    run(main())


def test_what_else_is_asked_of_a_book_of_the_past(clx5: bytes, clx5_journal: Path) -> None:
    at = SourceTimes(clx5).times(9, seed=1)[4]
    engine = next(engine for _, _, engine in source_books(clx5, [at]))

    async def main() -> None:
        async with travelling(clx5_journal) as api:
            best = (await api.get("/v1/books/CLX5/bbo", params={"at": at})).json()
            bid, ask = engine.bbo(432669)
            assert bid is not None
            assert ask is not None
            assert (best["bid"]["size"], best["ask"]["count"]) == (bid.size, ask.count)
            price = best["bid"]["price"]
            level = (await api.get(f"/v1/books/CLX5/levels/bid/{price}", params={"at": at})).json()
            queue = engine.orders(432669, "B", bid.price)
            assert [each["order_id"] for each in level["orders"]] == [str(each.order_id) for each in queue]
            last = queue[-1]
            order = (await api.get(f"/v1/books/CLX5/orders/{last.order_id}", params={"at": at})).json()
            assert order["order"]["orders_ahead"] == len(queue) - 1
            problem(await api.get("/v1/books/CLX5/orders/1", params={"at": at}), 404, "unknown-order")
            file = await api.get("/v1/books/CLX5", params={"at": at, "format": "dbn"})
            again = Engine()
            metadata = 8 + int.from_bytes(file.content[4:8], "little")
            again.apply(file.content[metadata:])
            assert again.checksum(432669) == engine.checksum(432669)
            for answer in (best, level, order):
                assert answer["past"]["at"] == str(at)
                assert answer["feed"]["state"] == "replay"

    run(main())


def test_an_answer_never_changes_and_says_so(clx5_journal: Path, clx5: bytes) -> None:
    at = SourceTimes(clx5).times(9, seed=2)[5]

    async def main() -> None:
        async with travelling(clx5_journal) as api:
            first = await api.get("/v1/books/CLX5", params={"at": at})
            assert first.headers["cache-control"] == "private, max-age=86400, immutable"
            assert first.headers["depthcast-book"] == "complete=?0, suspect=?1, stale=?0, age_ms=0"
            tag = first.headers["etag"]
        async with travelling(clx5_journal) as other:
            second = await other.get("/v1/books/CLX5", params={"at": at}, headers={"If-None-Match": tag})
            assert (second.status_code, second.content, second.headers["etag"]) == (304, b"", tag)
            assert (await other.get("/v1/books/CLX5", params={"at": at})).content == first.content

    run(main())


def test_times_that_are_not_kept(simulated: bytes, journal: Path) -> None:
    async def main() -> None:
        async with travelling(journal) as api:
            late = problem(await api.get("/v1/books/11?at=2100-01-01"), 404, "time-not-kept")
            last, first = int(late["available_until"]), int(late["available_from"])
            times = forms.span(simulated)
            assert (first, last) == (times.min_ts_recv, times.max_ts_recv - 1)
            assert iso(last) in late["detail"]
            await book(api, 12, last, publisher=65_001)
            problem(await api.get(f"/v1/books/11?at={last + 1}"), 404, "time-not-kept")
            early = problem(await api.get(f"/v1/books/11?at={first - 1}"), 404, "time-not-kept")
            assert early["available_from"] == str(first)
            problem(await api.get("/v1/books/11?at=0"), 404, "time-not-kept")

    run(main())


def test_what_is_wrong_with_a_question(journal: Path, simulated: bytes) -> None:
    at = SourceTimes(simulated).times(9, seed=3)[7]

    async def main() -> None:
        async with travelling(journal) as api:
            for text in ("", "yesterday", "-1", "2025-13-01", "1e9", str(2**64), "2025-09-24T25:00", "\n1"):
                wrong = problem(await api.get("/v1/books/11", params={"at": text}), 422, "invalid-parameter")
                assert wrong["errors"][0]["field"] == "at"
            problem(await api.get(f"/v1/books/11/trades?at={at}"), 422, "invalid-parameter")
            problem(await api.get(f"/v1/books/NONE?at={at}"), 404, "unknown-instrument")
            problem(await api.get(f"/v1/books/99?at={at}"), 404, "unknown-book")
            problem(await api.get(f"/v1/books/{2**32}?at={at}"), 404, "unknown-instrument")
            several = problem(await api.get(f"/v1/books/11?at={at}&orders=true"), 409, "ambiguous-book")
            assert several["publishers"] == [65_001, 65_002]
            problem(await api.get(f"/v1/books/11?at={at}&publisher=7"), 404, "unknown-book")
            both = (await api.get(f"/v1/books/11?at={at}")).json()
            assert both["checksum"] is None
            assert both["metadata"]["publishers"] == [65_001, 65_002]

    run(main())


def test_without_a_journal_there_is_no_past(tmp_path: Path) -> None:
    async def main() -> None:
        async with api_over(feed_of_the_world()) as api:
            problem(await api.get("/v1/books/CLX5?at=5"), 404, "no-journal")
        async with travelling(tmp_path / "nothing") as api:
            none = problem(await api.get("/v1/books/CLX5?at=5"), 404, "time-not-kept")
            assert "available_until" not in none

    run(main())


def test_a_damaged_segment_is_a_problem_of_its_own_times(
    simulated: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = journal_of_lives(tmp_path, simulated, records=700)
    times = SourceTimes(simulated)
    files = sorted(journal.rglob("*.dbn.zst"), key=lambda path: path.name)
    indexes = [msgspec.json.decode(path.read_bytes()) for path in sorted(journal.rglob("*.index.json"))]
    flipped = bytearray(files[2].read_bytes())
    flipped[int(indexes[2]["frames"][0]["offset"]) + 40] ^= 0xFF
    files[2].write_bytes(flipped)
    files[4].unlink()

    def moment(number: int) -> int:
        """A time in the middle of a segment."""
        within = indexes[number]["times"]
        return (int(within["min_ts_recv"]) + int(within["max_ts_recv"])) // 2

    async def main() -> None:
        async with travelling(journal) as api:
            for number in range(len(files)):
                answer = await api.get(f"/v1/books/11?at={moment(number)}")
                if number in (2, 4):
                    said = problem(answer, 500, "journal-damaged")
                    assert files[number].name in said["detail"]
                    assert str(journal) not in said["detail"]
                else:
                    assert answer.json()["past"]["position"] == times(moment(number))[1]

    run(main())


def test_a_segment_that_is_not_there_yet_is_asked_for_again_later(simulated: bytes, tmp_path: Path) -> None:
    journal = journal_of_lives(tmp_path, simulated, records=700)
    names = sorted(path.name.partition(".")[0] for path in journal.rglob("*.index.json"))
    index = msgspec.json.decode(next(journal.rglob(f"{names[2]}.index.json")).read_bytes())
    at = (int(index["times"]["min_ts_recv"]) + int(index["times"]["max_ts_recv"])) // 2
    late = {path: path.read_bytes() for path in journal.rglob(f"{names[2]}.*")}
    for path in late:
        path.unlink()

    async def main() -> None:
        async with travelling(journal) as api:
            answer = await api.get(f"/v1/books/11?at={at}")
            said = problem(answer, 503, "journal-away")
            assert answer.headers["retry-after"] == "5"
            assert "are missing" in said["detail"]
            assert names[1] in said["detail"]
            assert str(journal) not in said["detail"]
            assert (await api.get(f"/v1/books/12?at={forms.last_ts_recv(simulated) - 1}")).status_code == 200
        for path, data in late.items():
            path.write_bytes(data)
        async with travelling(journal) as api:
            assert (await api.get(f"/v1/books/11?at={at}")).status_code == 200

    run(main())


def test_who_may_ask_and_how_much(journal: Path, simulated: bytes) -> None:
    at = SourceTimes(simulated).times(9, seed=4)[6]

    async def main() -> None:
        async with travelling(journal, past_per_key=2, past_threads=1) as api:
            held = asyncio.Event()
            gate = api.services.past
            assert gate is not None
            loop = asyncio.get_running_loop()
            blocked = asyncio.gather(
                *(
                    gate.ask(
                        "address 203.0.113.7",
                        lambda _: asyncio.run_coroutine_threadsafe(held.wait(), loop).result(),
                    )
                    for _ in range(2)
                )
            )
            await asyncio.sleep(0)
            refused = await api.get(f"/v1/books/12?at={at}&publisher=65001")
            problem(refused, 429, "rate-limited")
            assert refused.headers["retry-after"] == "1"
            others = [api.connect(address=f"198.51.100.{number}") for number in range(40)]
            asked = [each.get(f"/v1/books/12?at={at}&publisher=65001") for each in others]
            answers = asyncio.gather(*asked)
            await asyncio.sleep(0.2)
            held.set()
            statuses = [each.status_code for each in await answers]
            assert set(statuses) == {200, 503}
            assert statuses.count(503) == 40 - 15
            await blocked
            assert gate.under_way == 0
            for each in others:
                await each.aclose()

    run(main())


def test_an_answer_that_takes_too_long(journal: Path, simulated: bytes) -> None:
    at = SourceTimes(simulated).times(9, seed=4)[6]

    async def main() -> None:
        async with travelling(journal, past_s=1e-6) as api:
            slow = await api.get(f"/v1/books/12?at={at}&publisher=65001")
            problem(slow, 503, "overloaded")
            assert slow.headers["retry-after"] == "1"
            gate = api.services.past
            while gate is not None and gate.under_way:
                await asyncio.sleep(0.01)

    run(main())


def test_many_at_once_are_all_right(simulated: bytes, journal: Path) -> None:
    instants = SourceTimes(simulated).times(60, seed=9)
    expected = {at: engine.checksum(11, 10, 65_001) for at, _, engine in source_books(simulated, instants)}

    async def main() -> None:
        async with travelling(journal, past_threads=8, past_per_key=100) as api:

            async def one(at: int) -> None:
                answer: httpx.Response = await api.get(f"/v1/books/11?at={at}&publisher=65001")
                assert answer.json()["checksum"] == expected[at]

            await asyncio.gather(*(one(at) for at in instants))

    run(main())
