"""Typed settings, read once, at the edge; docs/settings.md lists them all."""

from depthcast.settings.layers import DEFAULT_ENVIRONMENT, Loaded, Origin, Secret, load, variable_name
from depthcast.settings.sections import (
    ApiSettings,
    DatabaseSettings,
    EngineSettings,
    ExportSettings,
    FeedSettings,
    FunctionSettings,
    GatewaySettings,
    HistorySettings,
    JournalSettings,
    KeySettings,
    ReaderSettings,
    Settings,
)

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "ApiSettings",
    "DatabaseSettings",
    "EngineSettings",
    "ExportSettings",
    "FeedSettings",
    "FunctionSettings",
    "GatewaySettings",
    "HistorySettings",
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
