"""Connections: passwords from elsewhere, TLS, and pools that outlive their server's troubles."""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import asyncpg
import boto3
import pytest
import uvloop

from depthcast.errors import SegmentError, StoreError
from depthcast.settings import DatabaseSettings, Secret
from depthcast.store.connect import Connection, Database, connected
from depthcast.store.pool import Pool
from tests.support.certificates import make_certificate
from tests.support.moto import S3Server, s3_server
from tests.support.postgres import Server, run
from tests.support.tcp_gate import TcpGate
from tests.support.tls_front import TlsFront


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("moto") / "log") as server:
        yield server


@pytest.fixture
def account(aws: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.variables.items():
        monkeypatch.setenv(name, value)


def as_user(url: str, user: str, password: str = "", port: int | None = None) -> str:
    parts = urlsplit(url)
    who = f"{user}:{quote(password)}" if password else user
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.hostname}:{port or parts.port}"))


async def ask(database: str | Database, query: str = "SELECT current_user::text") -> Any:
    async with connected(database) as connection:
        return await connection.fetchval(query)


@pytest.fixture
def user(postgres: Server) -> Iterator[str]:
    """Somebody of the test's own on the server, without a password."""
    name = f"test_{secrets.token_hex(4)}"
    url = postgres.fresh(migrated=False)
    run(ask(url, f"CREATE ROLE {name} LOGIN"))
    yield name
    run(ask(url, f"DROP ROLE {name}"))


def _owner(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.username or "", parts.password or ""


def test_a_secret_is_asked_for_each_connection_so_a_new_password_is_taken_at_once(
    account: None, database: str, user: str
) -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    secret_id = client.create_secret(Name=user, SecretString="first one")["Name"]
    settings = DatabaseSettings(url=Secret(as_user(database, user)), auth="secret", secret_id=secret_id)
    described = Database.of(settings)
    run(ask(database, f"ALTER ROLE {user} PASSWORD 'first one'"))
    assert run(ask(described)) == user
    run(ask(database, f"ALTER ROLE {user} PASSWORD 'second'"))
    with pytest.raises(StoreError, match="password authentication failed"):
        run(ask(described))
    rotated = {"engine": "postgres", "username": user, "password": "second"}
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(rotated))
    assert run(ask(described)) == user


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"SecretString": '{"username": "x"}'}, "it is JSON without a password"),
        ({"SecretString": '{"password": 7}'}, "it is JSON without a password"),
        ({"SecretString": "{hunter2"}, "it is JSON without a password"),
        ({"SecretBinary": b"hunter2"}, "it holds bytes, not text"),
        (None, "can't find the specified secret"),
    ],
)
def test_a_secret_without_a_password_is_named_and_not_told(
    held: dict[str, Any] | None, said: str, account: None, database: str
) -> None:
    name = f"test/{secrets.token_hex(6)}"
    if held is not None:
        boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name=name, **held)
    settings = DatabaseSettings(url=Secret(as_user(database, "someone")), auth="secret", secret_id=name)
    with pytest.raises(StoreError, match=rf"^secret {name}: .*{said}") as caught:
        run(ask(Database.of(settings)))
    assert "hunter2" not in str(caught.value)


def test_a_token_is_for_the_user_and_the_host_of_the_address(account: None) -> None:
    url = "postgresql://depthcast_writer@db.abc.us-east-1.rds.amazonaws.com:5433/depthcast"
    described = Database.of(DatabaseSettings(url=Secret(url), auth="iam"))
    assert described.password is not None
    first, second = run(_twice(described.password))
    parts = urlsplit(f"https://{first}")
    assert (parts.hostname, parts.port) == ("db.abc.us-east-1.rds.amazonaws.com", 5433)
    asked = parse_qs(parts.query)
    assert (asked["Action"], asked["DBUser"]) == (["connect"], ["depthcast_writer"])
    assert asked["X-Amz-Expires"] == ["900"]
    assert second.startswith("db.abc.us-east-1.rds.amazonaws.com:5433/")
    for shown in (repr(described), str(described)):
        assert "X-Amz" not in shown


async def _twice(password: Any) -> tuple[str, str]:
    return await password(), await password()


def test_a_token_that_the_server_does_not_take_is_not_told(account: None, database: str, user: str) -> None:
    run(ask(database, f"ALTER ROLE {user} PASSWORD 'another'"))
    described = Database.of(DatabaseSettings(url=Secret(as_user(database, user)), auth="iam"))
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        run(ask(described))
    assert "X-Amz" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pa/ss#word@host/db",
        "postgresql://me:pass:word/@host:port/db",
        "mysql://me:password@host/db",
        "password",
        "",
    ],
)
def test_what_is_no_address_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(StoreError, match="address must be postgresql://") as caught:
        run(ask(url))
    assert "pa" not in str(caught.value).replace("password", "")
    assert "word/" not in repr(Database(url))


@pytest.fixture
def tls(database: str, tmp_path: Path) -> Iterator[tuple[TlsFront, str, Path]]:
    """A database behind TLS with a certificate of 127.0.0.1: its address, and the certificate."""
    files = make_certificate(tmp_path)
    front = TlsFront(urlsplit(database).port or 5432, files)
    yield front, as_user(database, *_owner(database), port=front.port), files.certificate
    front.close()


def test_with_certificates_given_only_tls_is_spoken(tls: tuple[TlsFront, str, Path]) -> None:
    front, url, certificate = tls
    described = Database.of(DatabaseSettings(url=Secret(url), tls_root=certificate))
    assert run(ask(described)) == _owner(url)[0]
    assert (front.encrypted, front.plain) == (1, 0)


def test_a_server_of_another_name_or_authority_is_refused(
    tls: tuple[TlsFront, str, Path], tmp_path: Path
) -> None:
    _, url, certificate = tls
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other").certificate
    with pytest.raises(StoreError, match="certificate verify failed"):
        run(ask(Database(url, tls_root=other)))
    with pytest.raises(StoreError, match="certificate verify failed: Hostname mismatch"):
        run(ask(Database(url.replace("127.0.0.1", "localhost"), tls_root=certificate)))


def test_a_server_without_tls_is_refused_where_certificates_are_given(database: str, tmp_path: Path) -> None:
    if os.environ.get("DEPTHCAST_TEST_DATABASE_URL"):
        pytest.skip("the server that was named may speak TLS")
    certificate = make_certificate(tmp_path).certificate
    with pytest.raises(StoreError, match="rejected SSL upgrade"):
        run(ask(Database(database, tls_root=certificate)))


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_certificates_that_cannot_be_read_are_named(
    content: str | None, database: str, tmp_path: Path
) -> None:
    root = tmp_path / "root.pem"
    if content is not None:
        root.write_text(content)
    with pytest.raises(StoreError, match=rf"^{root}: the certificates to trust cannot be read"):
        run(ask(Database(database, tls_root=root)))


async def pid_of(pool: Pool) -> int:
    async with pool.connection() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


def test_a_pool_keeps_its_connection_until_it_is_too_old(database: str) -> None:
    async def work() -> None:
        async with Pool(Database(database, max_age_s=0.3), sure_s=0) as pool:
            first = await pid_of(pool)
            assert await pid_of(pool) == first
            await asyncio.sleep(0.35)
            assert await pid_of(pool) != first

    run(work())


def test_a_pool_replaces_a_connection_that_the_server_ended(database: str) -> None:
    async def work() -> None:
        async with Pool(Database(database), sure_s=0) as pool:
            first = await pid_of(pool)
            assert await ask(database, f"SELECT pg_terminate_backend({first})")
            assert await pid_of(pool) != first

    run(work())


def test_a_pool_replaces_a_connection_whose_server_is_gone_without_a_word(database: str) -> None:
    gate = TcpGate(urlsplit(database).port or 5432)
    described = Database(as_user(database, *_owner(database), port=gate.port))

    async def work() -> None:
        async with Pool(described, sure_s=0) as pool:
            first = await pid_of(pool)
            gate.fall_silent()
            begun = asyncio.get_running_loop().time()
            assert await pid_of(pool) != first
            assert asyncio.get_running_loop().time() - begun < 6

    run(work())
    gate.shut()


def test_a_pool_says_in_time_that_the_database_is_away_and_finds_it_again(database: str) -> None:
    gate = TcpGate(urlsplit(database).port or 5432)
    described = Database(as_user(database, *_owner(database), port=gate.port))

    async def work() -> None:
        async with Pool(described, sure_s=0) as pool:
            await pid_of(pool)
            gate.shut()
            for _ in range(2):
                with pytest.raises(StoreError, match=rf"^database 127\.0\.0\.1:{gate.port}/"):
                    await pid_of(pool)
            gate.open()
            await pid_of(pool)

    run(work())
    gate.shut()


def test_who_finds_no_connection_free_waits_and_is_told(database: str) -> None:
    async def work() -> None:
        async with Pool(Database(database), size=2) as pool:
            async with pool.connection(), pool.connection():
                with pytest.raises(StoreError, match=r"no connection within 0\.2 s"):
                    async with pool.connection(wait_s=0.2):
                        pass
            async with pool.connection(), pool.connection(wait_s=1.0):
                pass

    run(work())


async def _fail(connection: Connection, error: Exception) -> None:
    await connection.execute("CREATE TEMP TABLE left_behind ()")
    raise error


@pytest.mark.parametrize(
    ("error", "seen", "kept"),
    [
        (SegmentError("bad", path="x"), SegmentError, True),  # the database has nothing to do with it
        (asyncpg.DataError("bad"), StoreError, False),
        (TimeoutError(), StoreError, False),
        (ValueError("bad"), ValueError, False),
    ],
)
def test_a_connection_is_not_used_again_after_the_database_failed(
    error: Exception, seen: type[Exception], kept: bool, database: str
) -> None:
    async def work() -> None:
        async with Pool(Database(database)) as pool:
            first = await pid_of(pool)
            with pytest.raises(seen):
                async with pool.connection() as connection:
                    await _fail(connection, error)
            assert (await pid_of(pool) == first) is kept

    run(work())


def test_a_statement_that_takes_too_long_ends(database: str) -> None:
    with pytest.raises(StoreError, match="TimeoutError"):
        run(ask(replace(Database(database), statement_s=0.2), "SELECT pg_sleep(30)"))


def test_a_server_that_is_gone_is_noticed_in_a_long_statement_too(database: str) -> None:
    """The system asks it every 10 s after 30 s of silence, on both event loops that are used."""

    async def options() -> tuple[int, ...]:
        async with connected(database) as connection:
            inside: Any = connection
            found = inside._transport.get_extra_info("socket")
            kept = found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            return kept, *(found.getsockopt(socket.IPPROTO_TCP, name) for name in names)

    assert run(options()) == uvloop.run(options()) == (1, 30, 10, 3, 60_000)
