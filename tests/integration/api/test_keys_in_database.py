"""The API's keys in the database: one list for all its tasks, made and revoked by the command."""

import asyncio
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import structlog

from depthcast.api.key_database import READ_S, ApiKeyDatabase, FollowedApiKeys
from depthcast.api.keys import make_api_key, new_token
from depthcast.settings import Settings
from depthcast.store.connect import connected
from tests.support.api_process import ApiProcess
from tests.support.api_service import Api, api_over
from tests.support.api_world import feed_of_the_world
from tests.support.command import Result, command
from tests.support.feed_process import FeedProcess
from tests.support.gateways import run, until
from tests.support.history_api import history_settings
from tests.support.journals import eventually
from tests.support.postgres import Server
from tests.support.rest import problem
from tests.support.tcp_gate import TcpGate

PATH = "/v1/books/CLX5?depth=1"
SOON_S = 10.0
RELOAD_S = 0.2


@pytest.fixture
def database(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a database with the schema, which the command uses for keys."""
    url = postgres.fresh()
    monkeypatch.setenv("DEPTHCAST_DATABASE_URL", url)
    monkeypatch.setenv("DEPTHCAST_API_KEYS_STORE", "database")
    yield url
    postgres.drop(url)


def keys_settings(url: str, **more: Any) -> Settings:
    given = {"anonymous_read": False, "keys_store": "database", "keys_reload_s": RELOAD_S, **more}
    return history_settings(url, **given)


@asynccontextmanager
async def task(url: str, **more: Any) -> AsyncIterator[Api]:
    """One task of the API, from its start to its end."""
    settings = keys_settings(url, **more)
    known = FollowedApiKeys(settings)
    async with (
        api_over(feed_of_the_world(), settings=settings, keys=known) as api,
        api.app.lifespan(),
    ):
        yield api


def keys(*arguments: str) -> Result:
    result = command("keys", arguments[0], "--api", *arguments[1:])
    assert result.code == 0, result.err
    return result


def create(name: str = "desk-1", *more: str) -> str:
    return keys("create", "--name", name, *more).out.strip()


def through(gate: TcpGate, url: str) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{gate.port}/")


async def status(api: Api, token: str, path: str = PATH) -> int:
    return (await api.get(path, headers={"Authorization": f"Bearer {token}"})).status_code


async def becomes(api: Api, token: str, wanted: int) -> None:
    async with asyncio.timeout(SOON_S):
        while await status(api, token) != wanted:
            await asyncio.sleep(0.05)


def test_a_key_is_kept_as_a_hash_listed_and_revoked(database: str) -> None:
    made = keys("create", "--name", "desk-1", "--scope", "read", "--scope", "replay", "--expires", "30d")
    token = made.out.strip()
    at = urlsplit(database)
    where = f"database {at.hostname}:{at.port}{at.path}"
    assert f"its hash is kept in {where}; an API with the same database accepts it within 15 s" in made.err
    [row] = json.loads(keys("list", "--json").out)
    assert (row["id"], row["name"], row["scopes"]) == (token[4:12], "desk-1", ["read", "replay"])
    assert (row["state"], row["revoked"]) == ("active", None)
    assert row["expires"] is not None

    async def stored() -> str:
        async with connected(database) as connection:
            return str(await connection.fetchval("SELECT k::text FROM depthcast.api_keys k"))

    assert token[13:] not in run(stored())
    assert keys("revoke", "desk-1").err.startswith(f"revoked API key {token[4:12]} of desk-1 in {where}\n")
    assert "was revoked already" in keys("revoke", token[4:12]).err
    [row] = json.loads(keys("list", "--json").out)
    assert row["state"] == "revoked"
    assert command("keys", "revoke", "--api", "nobody").code == 2


def test_keys_that_ended_long_ago_go_when_the_next_one_is_made(database: str) -> None:
    create("old")

    async def age() -> None:
        async with connected(database) as connection:
            await connection.execute("UPDATE depthcast.api_keys SET revoked = now() - interval '91 days'")

    run(age())
    create("new")
    assert [row["name"] for row in json.loads(keys("list", "--json").out)] == ["new"]


def test_two_tasks_share_the_keys_that_there_are(database: str) -> None:
    first = create()

    async def main() -> None:
        async with AsyncExitStack() as stack:
            tasks = [await stack.enter_async_context(task(database)) for _ in range(2)]
            for api in tasks:
                assert await status(api, first) == 200
                assert await status(api, first[:-2] + ("AA" if first[-2:] != "AA" else "BB")) == 401
            second = await asyncio.to_thread(lambda: create("desk-2", "--scope", "admin"))
            for api in tasks:
                await becomes(api, second, 200)
                assert await status(api, second, "/v1/metrics") == 200
                assert await status(api, first, "/v1/metrics") == 403
            await asyncio.to_thread(lambda: keys("revoke", "desk-1"))
            for api in tasks:
                await becomes(api, first, 401)
                problem(await api.get(PATH, headers={"Authorization": f"Bearer {first}"}), 401, "key-ended")
                assert await status(api, second) == 200

    run(main())


def test_while_the_database_is_away_what_was_read_stays_good(database: str) -> None:
    """A key that is revoked meanwhile is refused as soon as it is back; the log says both, once."""
    kept, revoked = create("kept"), create("revoked")
    gate = TcpGate(urlsplit(database).port or 0)

    async def main() -> list[str]:
        with structlog.testing.capture_logs() as log:
            async with task(through(gate, database)) as api:

                def said() -> list[str]:
                    return [each["event"] for each in log if each["event"].startswith("api keys")]

                gate.shut()
                await until(lambda: len(said()) == 1)
                await asyncio.to_thread(lambda: keys("revoke", "revoked"))
                await asyncio.sleep(5 * RELOAD_S)
                assert await status(api, kept) == await status(api, revoked) == 200
                assert (await api.get("/readyz")).status_code == 200
                gate.open()
                await becomes(api, revoked, 401)
                assert await status(api, kept) == 200
                return said()

    said = run(main())
    gate.shut()
    assert said == ["api keys cannot be read; those read last stay good", "api keys are read again"]


def test_who_cannot_be_known_at_the_start_is_not_let_in(database: str) -> None:
    token = create()
    gate = TcpGate(urlsplit(database).port or 0)
    gate.shut()

    async def main() -> list[str]:
        with structlog.testing.capture_logs() as log:
            async with task(through(gate, database)) as api:
                assert await status(api, token) == 401
                assert (await api.get("/readyz")).status_code == 200
                gate.open()
                await becomes(api, token, 200)
            return [each["event"] for each in log if each["event"].startswith("api keys")]

    said = run(main())
    gate.shut()
    assert said == [
        "api keys cannot be read; none was read yet, so none is accepted",
        "api keys are read again",
    ]


def test_a_database_that_does_not_answer_holds_no_start_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://user:secret@127.0.0.1:{silent.getsockname()[1]}/db"

        async def main() -> float:
            known = FollowedApiKeys(keys_settings(url))
            begun = time.monotonic()
            await known.start()
            took_s = time.monotonic() - begun
            assert not known.ring
            await known.close()
            return took_s

        assert run(main()) < READ_S + 1


def test_a_row_that_is_no_key_changes_nothing_of_what_is_known(database: str) -> None:
    token = create()

    async def spoil() -> None:
        async with connected(database) as connection:
            await connection.execute(
                "INSERT INTO depthcast.api_keys VALUES ('aaaaaaaa', 'x', 'none', '{read}', now())"
            )

    async def main() -> list[Any]:
        with structlog.testing.capture_logs() as log:
            async with task(database) as api:
                await spoil()
                await until(lambda: any("api keys cannot" in each["event"] for each in log))
                assert await status(api, token) == 200
            return log

    [error] = [each["error"] for each in run(main()) if each["event"].startswith("api keys cannot")]
    assert error.startswith("depthcast.api_keys, 'aaaaaaaa': not an API key")
    result = command("keys", "list", "--api")
    assert (result.code, result.out) == (4, "")


def test_only_the_owner_changes_keys(
    database: str, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if postgres.embedded is None:
        pytest.skip("the roles of another server keep the passwords that they have")
    token, password = create(), secrets.token_hex(8)

    async def set_password(value: str) -> None:
        async with connected(database) as connection:
            for role in ("depthcast_writer", "depthcast_reader"):
                await connection.execute(f"ALTER ROLE {role} PASSWORD {value}")

    run(set_password(f"'{password}'"))
    try:
        for role in ("depthcast_writer", "depthcast_reader"):
            at = urlsplit(database)
            url = urlunsplit(at._replace(netloc=f"{role}:{password}@{at.hostname}:{at.port}"))
            monkeypatch.setenv("DEPTHCAST_DATABASE_URL", url)
            result = command("keys", "create", "--api", "--name", "mine", "--scope", "admin")
            assert (result.code, result.out) == (4, "")
            assert "this user may not change API keys" in result.err
            assert password not in result.err
        assert token[4:12] in keys("list").out  # as the reader
        assert command("keys", "revoke", "--api", "desk-1").code == 4

        async def main() -> None:
            async with task(url) as api:  # whose user is the reader itself
                assert await status(api, token) == 200

        run(main())
    finally:
        run(set_password("NULL"))


def test_several_that_make_keys_at_once_lose_none(database: str) -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(_make, database, f"desk-{number}") for number in range(4)))

    run(main())
    assert len(json.loads(keys("list", "--json").out)) == 4


def _make(url: str, name: str) -> None:
    store = ApiKeyDatabase(lambda: connected(url), "it")
    key = make_api_key(name, new_token(), scopes=["read"], now_ns=10**18)
    store.change(lambda ring: ring.with_keys([key]))


def test_the_server_asks_the_database_that_its_settings_name(database: str, tmp_path: Path) -> None:
    token = create()
    where = ("api.anonymous_read=false", "api.keys_reload_s=0.2")  # the rest is in the environment
    with (
        FeedProcess("sim://cme?instruments=1&orders=50&rate=200", "--journal", "none", cwd=tmp_path) as feed,
        ApiProcess(f"127.0.0.1:{feed.port}/XSIM.MBO", settings=where, cwd=tmp_path) as api,
    ):
        api.ready()
        url = f"http://127.0.0.1:{api.port}/v1/instruments"

        def asked() -> int:
            return httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code

        assert asked() == 200
        keys("revoke", token[4:12])
        eventually(lambda: asked() == 401)
        assert api.stop() == 0
