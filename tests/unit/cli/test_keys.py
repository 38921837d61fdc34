"""``depthcast keys``: made once, listed without the secret, revoked."""

import json
import time
from pathlib import Path

import pytest

from depthcast.live.cram import response
from depthcast.live.key_stores import FileKeyStore
from tests.support.command import Result, command

DAY_S = 86_400


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the keys of this test are kept."""
    path = tmp_path / "out" / "keys.json"
    monkeypatch.setenv("DEPTHCAST_KEYS_FILE", str(path))
    return path


def create(*options: object, name: str = "desk-1") -> str:
    """Make a key: its secret."""
    result = command("keys", "create", "--name", name, *options)
    assert result.code == 0, result.err
    return result.out.removesuffix("\n")


def listed() -> list[dict[str, object]]:
    result = command("keys", "list", "--json")
    assert result.code == 0
    rows: list[dict[str, object]] = json.loads(result.out)
    return rows


def error_of(result: Result) -> str:
    assert result.code == 2
    assert result.out == ""
    return result.err.removeprefix("depthcast: error: ").removesuffix("\n")


def test_a_key_is_printed_alone_and_explained_beside(file: Path) -> None:
    result = command("keys", "create", "--name", "desk-1")
    secret = result.out.strip()
    assert len(secret) == 32
    assert result.err == (
        f"key ...{secret[-5:]} for desk-1, kept in {file}; it is not shown again\n"
        "a gateway with the same store accepts it within 15 s\n"
    )
    assert command("keys", "create", "--name", "desk-1", "--quiet").err == ""


def test_a_gateway_accepts_what_was_made(file: Path) -> None:
    secret = create("--max-sessions", 3, "--dataset", "GLBX.MDP3", "--dataset", "XNAS.ITCH")
    ring = FileKeyStore(file).read()
    answer = response("c", secret)
    key = ring.authenticate("c", answer, dataset="XNAS.ITCH", now_ns=time.time_ns())
    assert (key.name, key.max_sessions, key.datasets) == ("desk-1", 3, ("GLBX.MDP3", "XNAS.ITCH"))


def test_the_list_shows_everything_but_the_secret(file: Path) -> None:
    first, second = create("--expires", "30d", "--dataset", "GLBX.MDP3"), create(name="[bold]Zoë")
    result = command("keys", "list")
    assert first not in result.out
    assert second not in result.out
    heading, *rows = [line.split() for line in result.out.splitlines()]
    assert heading == ["bucket", "name", "state", "sessions", "datasets", "created", "expires"]
    assert rows[0][:5] == [first[-5:], "desk-1", "active", "10", "GLBX.MDP3"]
    assert rows[1][:5] == [second[-5:], "[bold]Zoë", "active", "10", "all"]
    assert rows[1][-1] == "never"
    assert [row["bucket"] for row in listed()] == [first[-5:], second[-5:]]
    assert set(listed()[0]) == {
        "bucket", "name", "state", "max_sessions", "datasets", "created", "expires", "revoked"
    }  # fmt: skip


def test_an_empty_store_says_how_to_make_a_key(file: Path) -> None:
    result = command("keys", "list")
    assert (result.code, result.out) == (0, "")
    assert result.err == f"no keys in {file}; make one: depthcast keys create --name NAME\n"
    assert listed() == []


@pytest.mark.parametrize(
    ("span", "seconds"), [("90m", 5400), ("12h", 43_200), ("30d", 30 * DAY_S), ("2w", 14 * DAY_S)]
)
def test_a_span_counts_from_now(file: Path, span: str, seconds: int) -> None:
    before = int(time.time())
    create("--expires", span)
    [key] = FileKeyStore(file).read()
    assert key.expires is not None
    assert before + seconds <= key.expires.timestamp() <= time.time() + seconds


@pytest.mark.parametrize("moment", ["2099-12-31", "2099-12-31T00:00Z", "2099-12-31T01:00+01:00"])
def test_a_date_is_its_first_moment_in_utc(file: Path, moment: str) -> None:
    create("--expires", moment)
    assert listed()[0]["expires"] == "2099-12-31T00:00:00Z"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--expires", "1990-01-01"], "--expires: '1990-01-01' is not a time to come"),
        (["--expires", "0d"], "--expires: '0d' is not a time to come"),
        (["--expires", "999999w"], "--expires: '999999w' is not a time to come"),
        (
            ["--expires", "soon"],
            (
                "--expires: expected a span such as 30d or 12h, a date or a time such as 2027-01-31T18:00Z, "
                "got 'soon'"
            ),
        ),
        (["--max-sessions", "0"], "a key allows 1 to 100,000 sessions, not 0"),
        (["--dataset", "A" * 16], "a key's datasets are codes such as GLBX.MDP3; for all, leave them out"),
        (["--name", ""], "a key's name has 1 to 64 printable characters"),
    ],
)
def test_a_bad_option_makes_no_key(file: Path, options: list[str], message: str) -> None:
    arguments = options if "--name" in options else ["--name", "x", *options]
    assert error_of(command("keys", "create", *arguments)) == message
    assert not file.exists()


def test_a_revoked_key_stays_in_the_list_as_such(file: Path) -> None:
    secret = create()
    result = command("keys", "revoke", "desk-1")
    assert (result.code, result.out) == (0, "")
    assert result.err == (
        f"revoked key ...{secret[-5:]} of desk-1 in {file}\n"
        "a gateway with the same store ends its sessions within 15 s\n"
    )
    assert [(row["state"], row["revoked"] is None) for row in listed()] == [("revoked", False)]
    again = command("keys", "revoke", secret[-5:])
    assert again.code == 0
    assert "was revoked already" in again.err


def test_a_name_means_the_key_that_still_runs(file: Path) -> None:
    first, second = create(), create()
    message = error_of(command("keys", "revoke", "desk-1"))
    assert message == f"2 keys are named 'desk-1': say which by its bucket id, {first[-5:]}, {second[-5:]}"
    assert command("keys", "revoke", first[-5:], "-q").err == ""
    assert command("keys", "revoke", "desk-1").code == 0
    assert [row["state"] for row in listed()] == ["revoked", "revoked"]


def test_an_unknown_key_is_an_error_that_names_those_there_are(file: Path) -> None:
    assert error_of(command("keys", "revoke", "nobody")) == "no key 'nobody'; there are none"
    secret = create()
    assert error_of(command("keys", "revoke", "nobody")) == (
        f"no key 'nobody'; there are {secret[-5:]} (desk-1)"
    )


def test_keys_that_others_may_read_are_refused(file: Path) -> None:
    create()
    file.chmod(0o644)
    for arguments in (["list"], ["create", "--name", "x"], ["revoke", "desk-1"]):
        result = command("keys", *arguments)
        assert (result.code, result.out) == (4, "")
        assert result.err == (
            f"depthcast: error: {file}: others than its owner may use it (mode 0644): chmod 600 {file}\n"
        )


def test_a_bad_command_is_an_error_with_a_hint(file: Path) -> None:
    assert "Try: depthcast keys --help" in error_of(command("keys", "burn"))
    assert "Try: depthcast keys --help" in error_of(command("keys", "create"))


def test_help_needs_no_store(file: Path) -> None:
    for arguments in (["keys"], ["keys", "--help"], ["keys", "create", "--help"]):
        result = command(*arguments)
        assert result.code == 0
        assert "create" in result.out
    assert "--max-sessions" in command("keys", "create", "--help").out
