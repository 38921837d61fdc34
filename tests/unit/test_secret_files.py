"""Secrets that are given as files."""

from pathlib import Path

import pytest

from depthcast.errors import SettingsError
from depthcast.settings import Settings, load
from depthcast.settings.secret_files import secret_variable

URL = "postgresql://depthcast:not-shown@db/depthcast"


def test_a_setting_that_is_secret_may_be_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "url"
    place.write_text(URL + "\n")
    loaded = load(Settings, folder=tmp_path, variables={"DEPTHCAST_DATABASE_URL_FILE": str(place)})
    assert loaded.settings.database.url is not None
    assert loaded.settings.database.url.reveal() == URL
    assert str(loaded.origins["database.url"]) == "variable DEPTHCAST_DATABASE_URL"
    assert loaded.unknown_variables == ()


def test_a_setting_that_is_no_secret_is_not_looked_for_in_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DEPTHCAST_FEED_ADMIN_FILE: unknown setting"):
        load(Settings, folder=tmp_path, variables={"DEPTHCAST_FEED_ADMIN_FILE": str(tmp_path)})


def test_the_variable_itself_is_taken_where_there_is_no_file() -> None:
    assert secret_variable("K", {"K": "abc"}) == "abc"
    assert secret_variable("K", {"K": "abc", "K_FILE": ""}) == "abc"
    assert secret_variable("K", {"K": ""}) is None
    assert secret_variable("K", {}) is None


@pytest.mark.parametrize(
    ("content", "said"), [(b" \n", "empty"), (b"\xff\xfe", "not text"), (b"a" * 70_000, "too long")]
)
def test_a_file_without_a_secret_is_named_and_not_shown(tmp_path: Path, content: bytes, said: str) -> None:
    place = tmp_path / "key"
    place.write_bytes(content)
    with pytest.raises(SettingsError, match=f"variable K_FILE: {place}.*{said}") as caught:
        secret_variable("K", {"K_FILE": str(place)})
    assert "aaa" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"K_FILE: .*none: No such file"):
        secret_variable("K", {"K_FILE": str(tmp_path / "none")})


def test_both_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both are set"):
        secret_variable("K", {"K": "abc", "K_FILE": str(tmp_path)})
