"""Typed settings, read once, at the edge; docs/settings.md lists them all."""

from depthcast.settings.layers import DEFAULT_ENVIRONMENT, Loaded, Origin, Secret, load, variable_name
from depthcast.settings.sections import (
    ApiSettings,
    EngineSettings,
    FeedSettings,
    GatewaySettings,
    JournalSettings,
    KeySettings,
    ReaderSettings,
    Settings,
)

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "ApiSettings",
    "EngineSettings",
    "FeedSettings",
    "GatewaySettings",
    "JournalSettings",
    "KeySettings",
    "Loaded",
    "Origin",
    "ReaderSettings",
    "Secret",
    "Settings",
    "load",
    "variable_name",
]
