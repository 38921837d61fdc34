"""Secrets that a container is given as files: ``NAME_FILE`` says where the value of the variable ``NAME`` is.

That is how compose files and orchestrators hand secrets over (``/run/secrets/NAME``): a variable is seen by
whoever may look at the process.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from depthcast.errors import SettingsError

__all__ = ["SUFFIX", "secret_variable", "with_files"]

SUFFIX: Final = "_FILE"
MAX_BYTES: Final = 64 << 10


def secret_variable(name: str, variables: Mapping[str, str] | None = None) -> str | None:
    """A secret's value: of the variable, else of the file that ``NAME_FILE`` names; None if neither is set.

    Space around it in the file is left out: editors end a file with a newline.

    Raises:
        SettingsError: both are set, or the file cannot be read, is empty, too long or no text.
    """
    variables = os.environ if variables is None else variables
    value, place = variables.get(name), variables.get(name + SUFFIX)
    if not place:
        return value or None
    if value:
        raise SettingsError(f"variables {name} and {name + SUFFIX}: both are set: take one away")
    try:
        with Path(place).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode().strip()
    except OSError as error:
        raise SettingsError(f"variable {name + SUFFIX}: {place}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"variable {name + SUFFIX}: {place}: not text") from None
    if not text or len(content) > MAX_BYTES:
        what = "too long for a secret" if text else "empty"
        raise SettingsError(f"variable {name + SUFFIX}: {place}: the file is {what}")
    return text


def with_files(variables: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The variables, those of ``names`` with the values that files have for them.

    Raises:
        SettingsError: see `secret_variable`.
    """
    found = dict(variables)
    for name in names:
        if found.get(name + SUFFIX):
            found[name] = secret_variable(name, variables) or ""
        found.pop(name + SUFFIX, None)
    return found
