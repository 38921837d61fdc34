"""``depthcast api``: what is refused before anything is served."""

import socket
from pathlib import Path

import pytest

from tests.support.command import Result, command

KEY = "db-AAAAAAAAAAAAAAAAAAAAAAAAbUcKt"


@pytest.fixture(autouse=True)
def without_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DEPTHCAST_KEY", "DATABENTO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str) -> Result:
    result = command("api", *arguments)
    assert result.out == ""
    assert result.err.startswith("depthcast: error: ")
    assert result.err.count("\n") == 1
    return result


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--feed", "a:1"), "no key: give --key, or set the variable DEPTHCAST_KEY or DATABENTO_API_KEY"),
        (("--feed", "a:1", "--key", "short"), "--key: a key is 32 printable ASCII characters, got 5"),
        (("--feed", "a:x", "--key", KEY), "--feed a:x: expected a port from 1 to 65535, got 'x'"),
        (("--feed", "a:1", "--feed", "a:1", "--key", KEY), "a feed is given twice: a:1, a:1"),
        (("--set", "api.feeds=", "--key", KEY), "no feed: give --feed HOST:PORT, or set api.feeds"),
        (("--feed", "a:1", "--key", KEY, "--listen", "8000"), "--listen: expected HOST:PORT, got '8000'"),
        (
            ("--feed", "a:1", "--workers", "0"),
            "--set: api.workers: expected an integer from 1 to 256, got '0'",
        ),
        (("--dataset", ""), "--set: api.dataset: expected text"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], says: str) -> None:
    result = refused(*arguments)
    assert result.code == 2
    assert result.err.removeprefix("depthcast: error: ").startswith(says)


def test_a_key_is_not_repeated() -> None:
    assert "secret" not in refused("--feed", "a:1", "--key", "a secret that is too short").err


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_port_in_use_is_named(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        result = refused("--feed", "a:1", "--key", KEY, "--listen", where, "--workers", workers)
    assert (result.code, result.err) == (4, f"depthcast: error: {where}: address already in use\n")
