"""Exports: one for a key, made once by whichever task, taken over where a task dies, ended and forgotten."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depthcast.journal.objects import FolderObjects
from depthcast.journal.segments import ClosedSegment
from depthcast.store.connect import connected
from depthcast.store.exports import claim
from depthcast.store.maintenance.housekeeping import expire
from depthcast.store.maintenance.report import MaintenanceReport
from tests.support.exports_api import PATIENCE_S, execute, fetchval, post, tasks, until
from tests.support.gateways import run
from tests.support.history_api import compacted
from tests.support.journals import simulated_feed
from tests.support.postgres import Server
from tests.support.rest import problem
from tests.support.stored import recorded

RECORDS = 6_000
BODY = {"kind": "trades", "instrument": "GLBX.MDP3:11", "format": "csv"}


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSegment]:
    return recorded(tmp_path_factory.mktemp("exports"), simulated_feed(RECORDS), records=2_000)


@pytest.fixture(scope="module")
def filled(postgres: Server, segments: list[ClosedSegment]) -> str:
    url = postgres.fresh()
    run(compacted(url, segments))
    return url


@pytest.fixture
def url(filled: str) -> str:
    """The database, without exports of another test."""
    run(execute(filled, "TRUNCATE depthcast.exports, depthcast.idempotency_keys"))
    return filled


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
@pytest.mark.parametrize(
    ("kind", "step"), [("trades", None), ("depth", "1s"), ("bbo", None), ("ohlcv", "5m")]
)
def test_an_export_is_the_file_of_its_range(
    form: str, kind: str, step: str | None, url: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path) as ([api], _, _):
            body = {"kind": kind, "instrument": "GLBX.MDP3:11", "format": form}
            body |= {} if step is None else {"step": step}
            taken = await post(api, body)
            assert taken.status_code == 202, taken.text
            assert taken.headers["location"] == f"/v1/exports/{taken.json()['id']}"
            made = await until(api, taken.json()["id"], "done", "failed")
            assert (made["state"], made["progress"], made["request"]["kind"]) == ("done", 1.0, kind)
            file = await api.get(made["file"])
            assert hashlib.sha256(file.content).hexdigest() == made["sha256"]
            assert int(file.headers["content-length"]) == int(made["bytes"]) == len(file.content)
            given = {"instrument": "11", "format": form} | ({} if step is None else {"step": step})
            asked = await api.get(f"/v1/history/{kind}", params=given)
            assert table(form, file.content) == table(form, asked.content)
            assert len(table(form, file.content)) == int(made["rows"]) > 0

    run(test())


def table(form: str, content: bytes) -> list[Any]:
    if form == "csv":
        return content.decode().splitlines()[1:]
    if form == "arrow":
        return list(pa.ipc.open_stream(content).read_all().to_pylist())
    return list(pq.read_table(io.BytesIO(content)).to_pylist())


def test_a_key_makes_one_export_and_gets_the_same_answer(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path) as ([api], _, _):
            first = await post(api, BODY)
            await until(api, first.json()["id"], "done")
            again = await post(api, BODY)
            assert (again.status_code, again.content) == (first.status_code, first.content)
            problem(await post(api, {**BODY, "format": "arrow"}), 422, "idempotency-key-reused")
            problem(await post(api, BODY, key=None), 400, "idempotency-key-missing")
            problem(await post(api, BODY, key="two words"), 422, "invalid-parameter")
            for kind in ("bbo", "depth", "ohlcv"):
                finer = await post(api, {**BODY, "kind": kind, "step": "100ms"}, key=kind)
                errors = problem(finer, 422, "invalid-parameter")["errors"]
                assert [(each["field"], each["in"]) for each in errors] == [("step", "body")]
            other = await post(api, BODY, key="k-2")
            assert other.json()["id"] != first.json()["id"]

    run(test())


def test_two_tasks_that_are_sent_one_key_at_once_make_one_export(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, number=2, running=0) as (apis, _, _):
            answers = await asyncio.gather(*(post(apis[n % 2], BODY) for n in range(8)))
            assert {answer.status_code for answer in answers} == {202}
            assert len({answer.content for answer in answers}) == 1
            others = await asyncio.gather(*(post(apis[n % 2], BODY, key=f"other-{n // 2}") for n in range(4)))
            assert len({answer.json()["id"] for answer in others}) == 2

    run(test())


def test_many_exports_are_each_made_by_one_of_several_tasks(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        more = {"at_once": 2, "per_client": 20}
        async with tasks(url, tmp_path, number=3, running=3, **more) as (apis, _, _):
            taken = [await post(apis[n % 3], BODY, key=f"many-{n}") for n in range(9)]
            made = [await until(apis[0], answer.json()["id"], "done", "failed") for answer in taken]
            assert {each["state"] for each in made} == {"done"}
            # Any task serves any of them, and none was made twice.
            files = [await apis[(n + 1) % 3].get(each["file"]) for n, each in enumerate(made)]
            assert len({file.content for file in files}) == 1
        assert len(list((tmp_path / "exports").iterdir())) == 9
        assert await fetchval(url, "SELECT max(attempts) FROM depthcast.exports") == 1

    run(test())


def test_a_download_that_was_broken_off_goes_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthcast.api.routes.exports.PIECE", 1_000)

    async def test() -> None:
        async with tasks(url, tmp_path) as ([api], _, _):
            file = (await until(api, (await post(api, BODY)).json()["id"], "done"))["file"]
            whole = await api.get(file)
            size, tag = len(whole.content), whole.headers["etag"]
            assert size > 5_000
            assert whole.headers["accept-ranges"] == "bytes"
            rest = await api.get(file, headers={"Range": "bytes=2500-", "If-Range": tag})
            assert rest.status_code == 206
            assert rest.headers["content-range"] == f"bytes 2500-{size - 1}/{size}"
            assert rest.headers["content-length"] == str(size - 2_500)
            assert whole.content[:2_500] + rest.content == whole.content
            assert (await api.get(file, headers={"Range": "bytes=-7"})).content == whole.content[-7:]
            other = await api.get(file, headers={"Range": "bytes=2500-", "If-Range": '"other"'})
            assert (other.status_code, other.content) == (200, whole.content)
            beyond = await api.get(file, headers={"Range": f"bytes={size}-"})
            problem(beyond, 416, "range-not-satisfiable")
            assert beyond.headers["content-range"] == f"bytes */{size}"
            known = await api.get(file, headers={"If-None-Match": tag, "Range": "bytes=5-6"})
            assert (known.status_code, known.content) == (304, b"")
            told = await api.client.head(file, headers={"Range": "bytes=5-6"})
            assert (told.status_code, told.headers["content-length"]) == (200, str(size))

    run(test())


def test_so_many_exports_and_no_more(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, running=0, per_client=2, waiting=3) as ([api], _, _):
            for n in range(2):
                assert (await post(api, BODY, key=f"k-{n}")).status_code == 202
            refused = await post(api, BODY, key="k-3")
            problem(refused, 429, "too-many-exports")
            assert int(refused.headers["retry-after"]) > 0
            async with api.connect(address="203.0.113.8") as other:
                assert (await post(api, BODY, client=other)).status_code == 202
            async with api.connect(address="203.0.113.9") as third:
                problem(await post(api, BODY, client=third), 429, "too-many-exports")
            ended = (await post(api, BODY, key="k-0")).json()["id"]  # it was taken, so it is answered again
            assert (await api.client.delete(f"/v1/exports/{ended}")).status_code == 204
            assert (await post(api, BODY, key="k-3")).status_code == 202

    run(test())


def test_the_export_of_a_task_that_died_is_made_by_another(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, number=2, running=0, lease_s=0.5) as (apis, exporters, _):
            export_id = (await post(apis[0], BODY)).json()["id"]
            async with connected(url) as connection:
                dead = await claim(connection, "dead", 0.5)
                assert dead is not None
                assert dead.export_id == export_id
                assert await claim(connection, "another", 0.5) is None
            exporters[1].start()
            made = await until(apis[0], export_id, "done", "failed")
            assert made["state"] == "done"
        assert await fetchval(url, "SELECT attempts FROM depthcast.exports") == 2

    run(test())


def test_an_export_that_is_cancelled_leaves_no_file(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, running=0) as ([api], [exporter], _):
            waiting = (await post(api, BODY)).json()["id"]
            problem(await api.get(f"/v1/exports/{waiting}/file"), 409, "export-not-done")
            assert (await api.client.delete(f"/v1/exports/{waiting}")).status_code == 204
            exporter.start()
            done = (await post(api, BODY, key="k-2")).json()["id"]
            await until(api, done, "done")
            assert [path.name for path in (tmp_path / "exports").iterdir()] == [f"{done}-1.csv"]
            for _ in range(2):
                assert (await api.client.delete(f"/v1/exports/{done}")).status_code == 204
            assert list((tmp_path / "exports").iterdir()) == []
            for each in (waiting, done):
                assert (await until(api, each, "cancelled"))["file"] is None

    run(test())


class _Held(FolderObjects):
    """A folder that stores nothing until it is let."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked, self.let = Event(), Event()

    def put(self, key: str, data: bytes | Path) -> None:
        self.asked.set()
        content = data.read_bytes() if isinstance(data, Path) else data
        assert self.let.wait(PATIENCE_S)
        super().put(key, content)


def test_an_export_that_is_cancelled_while_its_file_is_stored_leaves_none(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, running=0, lease_s=0.5) as ([api], [exporter], _):
            held = exporter.objects = _Held(tmp_path)
            exporter.start()
            export_id = (await post(api, BODY)).json()["id"]
            assert await asyncio.to_thread(held.asked.wait, PATIENCE_S)
            assert (await api.client.delete(f"/v1/exports/{export_id}")).status_code == 204
            await asyncio.sleep(0.3)  # the lease is renewed four times in its length: it has seen that
            held.let.set()
            assert (await until(api, (await post(api, BODY, key="k-2")).json()["id"], "done"))["file"]
            async with asyncio.timeout(PATIENCE_S):
                while list((tmp_path / "exports").glob(f"{export_id}*")):
                    await asyncio.sleep(0.02)
            assert len(list((tmp_path / "exports").iterdir())) == 1

    run(test())


def test_a_file_that_was_stored_for_nobody_goes_when_its_export_does(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthcast.api.exports.END_S", 0.1)
    held = _Held(tmp_path)

    async def test() -> None:
        async with tasks(url, tmp_path, running=0) as ([api], [exporter], _):
            exporter.objects = held
            exporter.start()
            export_id = (await post(api, BODY)).json()["id"]
            assert await asyncio.to_thread(held.asked.wait, PATIENCE_S)
            await exporter.close()
            held.let.set()  # its thread goes on, as at the end of a process
            async with asyncio.timeout(PATIENCE_S):
                while not list((tmp_path / "exports").glob("*.csv")):
                    await asyncio.sleep(0.02)
        files = [path.name for path in (tmp_path / "exports").iterdir()]
        assert files == [f"{export_id}-1.csv"]
        # It was not given back: who had it next would have written to this file too.
        assert await fetchval(url, "SELECT (state, result, attempts)::text FROM depthcast.exports") == (
            "(running,,1)"
        )
        held.put(f"exports/{export_id}-2.csv", b"of an attempt that was given back, so it does not count")
        await execute(url, "UPDATE depthcast.exports SET expires = now() - interval '1 s'")
        async with connected(url) as connection:
            report = MaintenanceReport()
            await expire(connection, datetime.now(UTC), FolderObjects(tmp_path), report)
        assert report.exports_expired == 1
        assert list((tmp_path / "exports").iterdir()) == []

    run(test())


def test_an_export_is_its_owners_alone(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path) as ([api], _, _):
            export_id = (await post(api, BODY)).json()["id"]
            async with api.connect(address="203.0.113.8") as other:
                problem(await other.get(f"/v1/exports/{export_id}"), 404, "unknown-export")
                problem(await other.get(f"/v1/exports/{export_id}/file"), 404, "unknown-export")
                problem(await other.delete(f"/v1/exports/{export_id}"), 404, "unknown-export")
            problem(await api.get("/v1/exports/nonsense"), 404, "unknown-export")

    run(test())


def test_an_export_that_is_too_long_says_so(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, rows=10) as ([api], _, _):
            failed = await until(api, (await post(api, BODY)).json()["id"], "failed")
            assert "more than 10 rows" in failed["problem"]

    run(test())


def test_an_export_goes_when_its_time_is_over(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthcast.api.exports.EXPIRE_S", 0.1)

    async def test() -> None:
        async with tasks(url, tmp_path) as ([api], _, _):
            export_id = (await post(api, BODY)).json()["id"]
            await until(api, export_id, "done")
            await execute(url, "UPDATE depthcast.exports SET expires = now() - interval '1 s'")
            problem(await api.get(f"/v1/exports/{export_id}"), 404, "unknown-export")
            async with asyncio.timeout(PATIENCE_S):
                while list((tmp_path / "exports").iterdir()):
                    await asyncio.sleep(0.05)

    run(test())


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({**BODY, "instrument": "CLX9"}, 404, "unknown-instrument"),
        ({**BODY, "step": "1s"}, 422, "invalid-parameter"),
        ({**BODY, "start": "tomorrow"}, 422, "invalid-parameter"),
        ({**BODY, "start": "2026-01-02", "end": "2026-01-01"}, 422, "invalid-parameter"),
        ({**BODY, "formt": "csv"}, 422, "invalid-parameter"),
        ({**BODY, "format": "xlsx"}, 422, "invalid-parameter"),
        ({"kind": "trades"}, 422, "invalid-parameter"),
        ([], 422, "invalid-parameter"),
    ],
)
def test_what_cannot_be_exported_is_a_problem(
    body: Any, status: int, name: str, url: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, running=0) as ([api], _, _):
            problem(await post(api, body), status, name)

    run(test())


def test_content_of_another_kind_or_size_is_refused(url: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with tasks(url, tmp_path, running=0, body_bytes=200) as ([api], _, _):
            headers = {"idempotency-key": "k"}
            text = await api.client.post("/v1/exports", content=b"kind=trades", headers=headers)
            problem(text, 415, "unsupported-media-type")
            headers["content-type"] = "application/json"
            broken = await api.client.post("/v1/exports", content=b'{"kind":', headers=headers)
            problem(broken, 400, "malformed-request")

            async def endless() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield b" " * 100

            long = await api.client.post("/v1/exports", content=endless(), headers=headers)
            problem(long, 413, "content-too-large")

    run(test())
