"""The key for a gateway: from the command line, or from the variables."""

from typing import Final

from depthcast.errors import UsageError
from depthcast.live.address import is_databento
from depthcast.settings.secret_files import secret_variable

__all__ = ["gateway_key"]

KEY_VARIABLES: Final = ("DEPTHCAST_KEY", "DATABENTO_API_KEY")
KEY_LENGTH: Final = 32


def gateway_key(given: str | None, host: str) -> str:
    """The key of the command line, else of the variables: Databento's own first for Databento.

    Raises:
        UsageError: there is none, or it cannot be one. The message does not show it.
    """
    names = reversed(KEY_VARIABLES) if is_databento(host) else KEY_VARIABLES
    found = next(((name, value) for name in names if (value := secret_variable(name))), None)
    if given:
        found = "--key", given
    if found is None:
        raise UsageError(f"no key: give --key, or set the variable {' or '.join(KEY_VARIABLES)}")
    source, key = found
    if len(key) != KEY_LENGTH or not all("!" <= letter <= "~" for letter in key):
        raise UsageError(f"{source}: a key is {KEY_LENGTH} printable ASCII characters, got {_shape(key)}")
    return key


def _shape(key: str) -> str:
    """What may be said of a text that is no key: it may be most of one."""
    return f"{len(key)}" if len(key) != KEY_LENGTH else "others among them"
