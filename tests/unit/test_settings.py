"""Settings: which layer wins, where a value came from, and what is refused."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct, structs

from depthcast.errors import SettingsError
from depthcast.settings import Loaded, Secret, Settings, load, variable_name
from tests.tidy.project import ROOT


class Store(Struct, frozen=True, kw_only=True):
    url: Secret | None = None
    folder: Path = Path("data")
    rate: Annotated[float, Meta(ge=0)] = 1.5
    mirrors: tuple[str, ...] = ()


class Service(Struct, frozen=True, kw_only=True):
    name: str = "feed"
    live: bool = False
    store: Store = Store()


class Nested(Struct, frozen=True, kw_only=True):
    """Deeper than today's settings, as a service's will be."""

    service: Service = Service()
    retries: Annotated[int, Meta(ge=0, le=9)] = 3


def nested(tmp_path: Path, text: str = "", **arguments: Any) -> Loaded[Nested]:
    (tmp_path / "local.toml").write_text(text)
    return load(Nested, folder=tmp_path, **({"variables": {}} | arguments))


def test_defaults_stand_where_nothing_else_is_said(tmp_path: Path) -> None:
    loaded = nested(tmp_path)
    assert loaded.settings == Nested()
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}


def test_each_layer_overrides_the_one_before_and_is_named(tmp_path: Path) -> None:
    text = 'retries = 4\n[service]\nname = "file"\nlive = true\n[service.store]\nrate = 2.5\n'
    variables = {"DEPTHCAST_SERVICE_NAME": "variable", "DEPTHCAST_SERVICE_STORE_RATE": "3.5"}
    loaded = nested(tmp_path, text, variables=variables, options={"service.store.rate": "4.5"})
    service = loaded.settings.service
    assert (loaded.settings.retries, service.live, service.name, service.store.rate) == (
        4,
        True,
        "variable",
        4.5,
    )
    assert {key: origin.layer for key, origin in loaded.origins.items()} == {
        "service.name": "variable",
        "service.live": "file",
        "service.store.url": "default",
        "service.store.folder": "default",
        "service.store.rate": "command line",
        "service.store.mirrors": "default",
        "retries": "file",
    }
    assert str(loaded.origins["retries"]) == str(tmp_path / "local.toml")
    assert str(loaded.origins["service.name"]) == "variable DEPTHCAST_SERVICE_NAME"


def test_text_from_variables_becomes_the_type_wanted(tmp_path: Path) -> None:
    variables = {
        "DEPTHCAST_RETRIES": "7",
        "DEPTHCAST_SERVICE_LIVE": "true",
        "DEPTHCAST_SERVICE_STORE_FOLDER": "/var/data",
        "DEPTHCAST_SERVICE_STORE_URL": "postgres://user:pass@host/db",
    }
    settings = nested(tmp_path, variables=variables).settings
    assert (settings.retries, settings.service.live) == (7, True)
    assert settings.service.store.folder == Path("/var/data")
    assert settings.service.store.url == Secret("postgres://user:pass@host/db")


def test_a_list_is_an_array_in_the_file_and_joined_by_commas_elsewhere(tmp_path: Path) -> None:
    text = '[service.store]\nmirrors = ["a:1", "b:2"]\n'
    assert nested(tmp_path, text).settings.service.store.mirrors == ("a:1", "b:2")
    variables = {"DEPTHCAST_SERVICE_STORE_MIRRORS": "c:3, d:4"}
    assert nested(tmp_path, text, variables=variables).settings.service.store.mirrors == ("c:3", "d:4")
    options = {"service.store.mirrors": ""}
    assert nested(tmp_path, text, options=options).settings.service.store.mirrors == ()


def test_a_secret_is_not_shown_unless_asked() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"
    assert secret != Secret("other")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("retries = ", "not a TOML file"),
        ("retries = 10", "retries: expected an integer from 0 to 9, got 10"),
        ("retries = true", "retries: expected an integer from 0 to 9, got True"),
        ('retries = "3"', "retries: expected an integer from 0 to 9, got '3'"),
        ("retires = 3", "retires: unknown setting; did you mean retries?"),
        ("service = 3", r"service: expected a section \[service\], got 3"),
        ("[service]\nlive = 1", "service.live: expected true or false, got 1"),
        ("[service.store]\nfolder = 1", "service.store.folder: expected a path, got 1"),
        ('[service.store]\nmirrors = "a"', "service.store.mirrors: expected a list of text, got 'a'"),
        ("[retries]\nx = 1", "retries: expected an integer from 0 to 9, got"),
        ('[service.store]\nurl = "x"', "a secret is not kept in a file: set DEPTHCAST_SERVICE_STORE_URL"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_expectation(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as error:
        nested(tmp_path, text)
    assert str(tmp_path / "local.toml") in str(error.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not a TOML file"):
        load(Nested, folder=tmp_path, variables={})


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"DEPTHCAST_RETRIES": "many"}, "variable DEPTHCAST_RETRIES: retries: expected an integer"),
        ({"DEPTHCAST_SERVICE_NAMES": "x"}, "DEPTHCAST_SERVICE_NAMES: unknown setting; did you mean"),
        ({"DEPTHCAST_ENVIRONMENT": "../x"}, "variable DEPTHCAST_ENVIRONMENT: environment: expected a name"),
    ],
)
def test_a_wrong_variable_is_refused(tmp_path: Path, variables: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        nested(tmp_path, variables=variables)


def test_variables_that_orchestrators_inject_are_ignored_but_told(tmp_path: Path) -> None:
    variables = {"DEPTHCAST_PORT_80_TCP": "tcp://10.0.0.1", "DEPTHCAST_DATA": "x", "PATH": "/bin"}
    assert nested(tmp_path, variables=variables).unknown_variables == ("DEPTHCAST_PORT_80_TCP",)


def test_an_empty_variable_is_an_unset_one(tmp_path: Path) -> None:
    loaded = nested(tmp_path, variables={"DEPTHCAST_RETRIES": "", "DEPTHCAST_ENVIRONMENT": ""})
    assert loaded.settings.retries == 3
    assert loaded.environment == "local"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"service.nam": "x"}, "--set: service.nam: unknown setting; did you mean service.name?"),
        ({"retries": "x"}, "--set: retries: expected an integer from 0 to 9, got 'x'"),
        ({"service.store.url": "x"}, "--set: service.store.url: a secret given here is seen by all"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        nested(tmp_path, options=options)


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    class Strict(Struct):
        key: Annotated[Secret, Meta(description="a key")] = Secret("")

    (tmp_path / "local.toml").write_text("key = 12345")
    with pytest.raises(SettingsError) as error:
        load(Strict, folder=tmp_path, variables={})
    assert "12345" not in str(error.value)


def test_the_environment_chooses_the_file(tmp_path: Path) -> None:
    (tmp_path / "staging.toml").write_text("retries = 5")
    by_variable = nested(tmp_path, variables={"DEPTHCAST_ENVIRONMENT": "staging"})
    assert (by_variable.settings.retries, by_variable.environment) == (5, "staging")
    by_option = nested(tmp_path, variables={"DEPTHCAST_ENVIRONMENT": "prod"}, environment="staging")
    assert by_option.settings.retries == 5
    assert str(by_option.environment_origin) == "--environment"


def test_the_folder_comes_from_a_variable(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text("retries = 6")
    assert load(Nested, variables={"DEPTHCAST_CONFIG_DIR": str(tmp_path)}).settings.retries == 6


@pytest.mark.parametrize(
    "arguments",
    [
        {"environment": "prod", "variables": {}},
        {"variables": {"DEPTHCAST_ENVIRONMENT": "prod"}},
        {"variables": {"DEPTHCAST_ENVIRONMENT": "prod", "DEPTHCAST_CONFIG_DIR": "nowhere"}},
        {"variables": {"DEPTHCAST_CONFIG_DIR": "nowhere"}, "folder": None},
    ],
)
def test_a_file_asked_for_must_be_there(tmp_path: Path, arguments: dict[str, Any]) -> None:
    (tmp_path / "dev.toml").touch()
    with pytest.raises(SettingsError, match="no such file for environment"):
        load(Nested, **({"folder": tmp_path} | arguments))


def test_without_a_checkout_the_defaults_stand(tmp_path: Path) -> None:
    loaded = load(Nested, variables={}, folder=tmp_path)
    assert loaded.file is None
    assert loaded.settings == Nested()


def test_no_two_settings_share_a_variable() -> None:
    names = [variable_name(key) for key in load(Settings, variables={}).values]
    assert len(set(names)) == len(names)


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for section in structs.fields(Settings):
        for field in structs.fields(section.type):
            row = next(line for line in page.splitlines() if f"| `{section.name}.{field.name}` |" in line)
            value = field.default
            value = ",".join(value) if isinstance(value, tuple) else value
            shown = "none" if value in (None, "") else f"`{value}`"
            assert f"| {shown} |" in row


def test_the_local_file_is_good() -> None:
    loaded = load(Settings, variables={}, folder=ROOT / "environments")
    assert loaded.file == ROOT / "environments" / "local.toml"
