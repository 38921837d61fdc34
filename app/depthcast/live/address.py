"""Where gateways are: Databento's by dataset, others as HOST:PORT."""

from typing import Final, NamedTuple

__all__ = ["DEFAULT_PORT", "Address", "databento_address", "is_databento", "parse_address"]

DEFAULT_PORT: Final = 13_000
_DATABENTO: Final = ".lsg.databento.com"
_MAX_PORT: Final = 65_535


class Address(NamedTuple):
    """A TCP address."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def databento_address(dataset: str) -> Address:
    """Databento's gateway of a dataset: ``GLBX.MDP3`` is at glbx-mdp3.lsg.databento.com:13000."""
    return Address(dataset.lower().replace(".", "-") + _DATABENTO)


def is_databento(host: str) -> bool:
    """Whether a host is one of Databento's gateways."""
    return host.lower().rstrip(".").endswith(_DATABENTO)


def parse_address(text: str) -> Address:
    """``HOST``, ``HOST:PORT``, ``:PORT`` (this machine), ``[IPV6]:PORT``.

    Raises:
        ValueError: none of these.
    """
    host, port = text.strip(), ""
    if any(letter.isspace() or letter in "/|@" for letter in host):
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    if host.startswith("["):
        host, closed, rest = host[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"expected [IPV6]:PORT, got {text!r}")
        port = rest[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host and port:
        host = "127.0.0.1"
    if not host:
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= _MAX_PORT):
        raise ValueError(f"expected a port from 1 to {_MAX_PORT}, got {port!r}")
    return Address(host, int(port) if port else DEFAULT_PORT)
