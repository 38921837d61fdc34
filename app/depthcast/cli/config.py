"""``depthcast config``: the effective settings, and where each came from."""

import sys
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from depthcast.cli._console import bold, table, warn
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.settings import Loaded, Secret, Settings

__all__ = ["config"]


def config(
    *,
    json: Annotated[bool, Parameter(help="Print JSON instead of a table.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Print the effective settings and where each came from. Secrets are not shown.

    Each layer overrides the one before: defaults, environments/NAME.toml,
    DEPTHCAST_* variables, the command line.

    Example: depthcast config --set engine.max_event_ns=1000000000
    """
    loaded = common.load_settings()
    for variable in loaded.unknown_variables:
        warn(f"variable {variable} is not a setting; it is ignored")
    print_out(_as_json(loaded) if json else _as_table(loaded))
    return 0


def _as_table(loaded: Loaded[Settings]) -> str:
    rows = [("environment", loaded.environment, str(loaded.environment_origin))]
    rows += [(key, _as_text(value), str(loaded.origins[key])) for key, value in loaded.values.items()]
    lines = table(rows, headings=("setting", "value", "from")).splitlines()
    return "\n".join([bold(lines[0], sys.stdout), *lines[1:]]) + "\n"


def _as_json(loaded: Loaded[Settings]) -> str:
    document = {
        "environment": {"value": loaded.environment, "layer": loaded.environment_origin.layer},
        "file": None if loaded.file is None else str(loaded.file),
        "settings": {
            key: {
                "value": _shown(value),
                "layer": loaded.origins[key].layer,
                "from": loaded.origins[key].where or None,
            }
            for key, value in loaded.values.items()
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _as_text(value: Any) -> str:
    shown = _shown(value)
    return "none" if value in (None, "", ()) else ", ".join(shown) if isinstance(shown, list) else str(shown)


def _shown(value: Any) -> Any:
    """A value as it may be printed: a secret is redacted, a path is text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [_shown(each) for each in value]
    return repr(value) if isinstance(value, Secret) else str(value)
