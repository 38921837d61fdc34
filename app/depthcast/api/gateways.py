"""The gateways that the API follows, as they are written: ``HOST:PORT`` or ``HOST:PORT/DATASET``."""

from typing import Final, NamedTuple

from depthcast.errors import UsageError
from depthcast.live.address import Address, is_databento, parse_address

__all__ = ["Gateway", "parse_gateway"]

_MAX_DATASET: Final = 15


class Gateway(NamedTuple):
    """A gateway to follow, and the dataset to ask it for."""

    address: Address
    dataset: str


def parse_gateway(text: str, dataset: str) -> Gateway:
    """A gateway; ``dataset`` is meant where the text names none.

    Databento's gateways are named for their dataset: glbx-mdp3.lsg.databento.com has GLBX.MDP3.

    Raises:
        UsageError: it is written otherwise.
    """
    place, slash, named = text.strip().partition("/")
    try:
        address = parse_address(place)
    except ValueError as error:
        raise UsageError(f"--feed {text}: {error}") from None
    if not slash:
        named = _databento_dataset(address.host) if is_databento(address.host) else dataset
    if not 1 <= len(named) <= _MAX_DATASET or not named.isascii() or not named.isprintable():
        raise UsageError(f"--feed {text}: expected HOST:PORT or HOST:PORT/DATASET, as in :13000/GLBX.MDP3")
    return Gateway(address, named)


def _databento_dataset(host: str) -> str:
    return host.partition(".")[0].upper().replace("-", ".")
