"""`depthcast smoke` and `depthcast health` against a feed and an API as they run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_process import ApiProcess
from tests.support.command import Result, command
from tests.support.feed_process import KEY, FeedProcess

SIMULATED = "sim://cme?instruments=2&orders=100&rate=2000"
DATASET = "XSIM.MBO"


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedProcess]:
    with FeedProcess(SIMULATED, "--journal", "none", cwd=tmp_path_factory.mktemp("feed")) as running:
        yield running


@pytest.fixture(scope="module")
def api(feed: FeedProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    place = tmp_path_factory.mktemp("api")
    with ApiProcess(f"127.0.0.1:{feed.port}/{DATASET}", cwd=place) as running:
        yield running.ready()


def url(api: ApiProcess) -> str:
    return f"http://127.0.0.1:{api.port}"


def checked(result: Result) -> dict[str, bool]:
    """What each check said."""
    rows = [line.split() for line in result.out.splitlines()]
    return {row[0]: row[1] == "ok" for row in rows}


def test_a_running_system_is_found_well(feed: FeedProcess, api: ApiProcess) -> None:
    gateway = ["--gateway", f"127.0.0.1:{feed.port}", "--key", KEY]
    result = command("smoke", url(api), *gateway, "--without", "history")
    assert checked(result) == dict.fromkeys(("ready", "REST", "stream", "page", "gateway"), True), result
    assert result.code == 0
    assert "a snapshot and an update, verified" in result.out
    assert "live" in result.out


def test_history_without_a_database_is_found_missing(api: ApiProcess) -> None:
    result = command("smoke", url(api))
    assert {name for name, ok in checked(result).items() if not ok} == {"history"}
    assert result.code == 5


def test_a_key_that_the_gateway_refuses_is_found(feed: FeedProcess, api: ApiProcess) -> None:
    gateway = ["--gateway", f"127.0.0.1:{feed.port}", "--key", "x" * 32, "--timeout", "5"]
    result = command("smoke", url(api), *gateway, "--without", "history")
    assert {name for name, ok in checked(result).items() if not ok} == {"gateway"}
    assert result.code == 5


def test_nobody_there_fails_every_check_and_says_why() -> None:
    result = command("smoke", "http://127.0.0.1:9", "--timeout", "2")
    assert not any(ok for name, ok in checked(result).items() if name != "gateway")
    assert "refused" in result.out
    assert result.code == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ftp://host"], "begins with http:// or https://"),
        (["http://host", "--without", "everything"], "one of ready, REST"),
        (["http://host", "--gateway", "a b", "--key", KEY], "--gateway"),
        (["http://host", "--timeout", "0"], "above 0"),
    ],
)
def test_what_cannot_be_checked_is_wrong_usage(arguments: list[str], said: str) -> None:
    result = command("smoke", *arguments)
    assert result.code == 2
    assert said in result.err


def test_health_is_what_the_processes_here_say(feed: FeedProcess, api: ApiProcess, tmp_path: Path) -> None:
    place = url(api).removeprefix("http://")
    result = command("health", "--set", f"api.listen={place}", "--set", "feed.admin=none")
    assert (result.code, result.out) == (0, f"{url(api)}/readyz: ready\n")
    both = ["--set", f"api.listen={place}", "--set", "feed.admin=127.0.0.1:9"]
    assert command("health", *both).code == 0
    none = command("health", "--set", "api.listen=127.0.0.1:9", "--set", "feed.admin=127.0.0.1:10")
    assert none.code == 5
    assert "nothing answers at http://127.0.0.1:9/readyz or http://127.0.0.1:10/readyz" in none.err


def test_health_tells_what_is_not_ready(tmp_path: Path) -> None:
    with ApiProcess(f"127.0.0.1:9/{DATASET}", cwd=tmp_path) as waiting:
        waiting.get("/readyz", timeout_s=30)  # the first answer of a process takes longest
        result = command("health", f"{url(waiting)}/readyz")
        assert result.code == 5
        assert "127.0.0.1:9" in result.err
