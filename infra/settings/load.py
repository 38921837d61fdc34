"""Reads the settings of a stack from its configuration."""

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Any, Final, Protocol, cast

import pulumi

from infra.settings.check import problems
from infra.settings.model import Settings

__all__ = ["KEYS", "SettingsError", "camel", "load"]


class SettingsError(pulumi.RunError):
    """The configuration cannot be: the message has a line for each thing that is wrong. Shown as it is."""


class Source(Protocol):
    """What settings are read from: `pulumi.Config`."""

    def get(self, key: str) -> str | None: ...
    def get_int(self, key: str) -> int | None: ...
    def get_bool(self, key: str) -> bool | None: ...
    def get_object(self, key: str) -> Any: ...


def camel(name: str) -> str:
    """A field's key in the configuration: ``api_min`` is ``apiMin``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_FIELDS: Final = {camel(each.name): each for each in fields(Settings) if each.name != "stack"}
KEYS: Final = frozenset(_FIELDS)
"""Every key there is."""


def load(config: Source, stack: str) -> Settings:
    """The settings of a stack.

    Raises:
        SettingsError: values that are missing, of a wrong type, out of range, or that exclude each other.
    """
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for key, field in _FIELDS.items():
        try:
            value = _READ[str(field.type)](config, key)
        except (pulumi.ConfigTypeError, ValueError, TypeError) as error:
            wrong.append(f"{key}: {_said(error, field)}")
            continue
        if value is not None:
            values[field.name] = value
    if "stage" not in values and not any(line.startswith("stage:") for line in wrong):
        wrong.append("stage: missing; one of dev, staging, prod")
    if not wrong:
        settings = Settings(stack=stack, **values)
        wrong = problems(settings)
        if not wrong:
            return settings
    lines = "\n".join(f"  depthcast:{line}" for line in wrong)
    raise SettingsError(
        f"the configuration of stack {stack} (Pulumi.{stack}.yaml) cannot be:\n{lines}\n"
        "Pulumi.yaml says what each key means."
    )


def _texts(config: Source, key: str) -> tuple[str, ...] | None:
    found = config.get_object(key)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(key)
    return tuple(found)


_READ: Final = cast(
    Mapping[str, Callable[[Source, str], Any]],
    {
        "str": lambda config, key: config.get(key),
        "int": lambda config, key: config.get_int(key),
        "bool": lambda config, key: config.get_bool(key),
        "tuple[str, ...]": _texts,
        "<class 'str'>": lambda config, key: config.get(key),
        "<class 'int'>": lambda config, key: config.get_int(key),
        "<class 'bool'>": lambda config, key: config.get_bool(key),
    },
)

_WANTED: Final = {
    "str": "a text",
    "int": "an integer",
    "bool": "true or false",
    "tuple": "a list of texts",
}


def _said(error: Exception, field: "Field[Any]") -> str:
    kind = str(field.type).removeprefix("<class '").removesuffix("'>").split("[", maxsplit=1)[0]
    return f"expected {_WANTED[kind]} ({type(error).__name__})"
