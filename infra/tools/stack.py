"""A stack's settings, as its file has them, without Pulumi."""

import json
from collections.abc import Mapping
from typing import Any

from infra.settings import Settings, load
from infra.tools.console import configuration

__all__ = ["FileConfig", "region_of", "settings_of"]


class FileConfig:
    """The configuration of a stack's file, in the form that settings are read from."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {
            key.removeprefix("depthcast:"): value
            for key, value in values.items()
            if key.startswith("depthcast:")
        }

    def get(self, key: str) -> str | None:
        """A text."""
        value = self._values.get(key)
        return None if value is None else value if isinstance(value, str) else json.dumps(value)

    def get_int(self, key: str) -> int | None:
        """An integer."""
        value = self._values.get(key)
        return None if value is None else int(value)

    def get_bool(self, key: str) -> bool | None:
        """True or false."""
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise ValueError(value)

    def get_object(self, key: str) -> Any:
        """A list."""
        return self._values.get(key)


def settings_of(stack: str) -> Settings:
    """The settings of a stack. Raises SettingsError."""
    return load(FileConfig(configuration(stack)), stack)


def region_of(stack: str) -> str:
    """Where it is."""
    return str(configuration(stack).get("aws:region", ""))
