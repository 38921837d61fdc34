"""Options that every command takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from depthcast.errors import UsageError
from depthcast.settings import Loaded, Settings, load

__all__ = ["Common", "path_parameter"]


def path_parameter(*names: str, help: str) -> Parameter:  # noqa: A002 - as Parameter has it
    """A parameter for paths, which may be ``-``. An unknown option is not taken for one, nor is ``""``."""
    return Parameter(name=names or None, help=help, allow_leading_hyphen=True, validator=_check_paths)


def _check_paths(_: object, value: str | Sequence[str] | None) -> None:
    for path in [value] if isinstance(value, str) else value or ():
        if not path:
            raise UsageError("a file's name is empty (standard input and output are -)")
        if path.startswith("-") and path != "-":
            raise UsageError(f"unknown option {path} (for a file of that name write ./{path})")


_GROUP = Group("Common options", sort_key=99)


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every command: settings, and how much is said."""

    environment: Annotated[
        str | None,
        Parameter(group=_GROUP, help="Read settings from environments/NAME.toml. (default: local)"),
    ] = None
    set: Annotated[
        tuple[str, ...],
        Parameter(
            group=_GROUP,
            help="Override one setting: --set engine.max_event_ns=1000000000. May be repeated.",
        ),
    ] = ()
    quiet: Annotated[
        bool,
        Parameter(name=["--quiet", "-q"], group=_GROUP, help="No progress and no summary on standard error."),
    ] = False
    debug: Annotated[bool, Parameter(group=_GROUP, help="Show a traceback with an error.")] = False

    def load_settings(self, **options: str | None) -> Loaded[Settings]:
        """The effective settings. ``options`` are a command's own options for a setting:
        ``engine__kind=...``.

        Raises:
            SettingsError: naming what is wrong and where.
            UsageError: a ``--set`` that is not KEY=VALUE.
        """
        overrides: dict[str, str] = {}
        for item in self.set:
            key, equals, value = item.partition("=")
            if not equals or not key:
                raise UsageError(f"--set: expected KEY=VALUE, got {item!r}")
            overrides[key.strip()] = value
        for name, value_or_none in options.items():
            if value_or_none is not None:
                overrides[name.replace("__", ".")] = value_or_none
        return load(Settings, environment=self.environment, options=overrides)
