"""Stream classes: what can be subscribed to, in published discrete sets, so that readers share."""

from typing import Final, Literal, NamedTuple, get_args

__all__ = [
    "CHANNELS",
    "DEFAULT_DEPTH",
    "DEFAULT_RATE",
    "DEPTHS",
    "ORDERS_RATE",
    "RATES",
    "Channel",
    "StreamClass",
]

Channel = Literal["book", "bbo", "trades", "orders", "status"]

CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
DEPTHS: Final = (1, 5, 10, 25, 50, 100, 500)
"""Levels of each side, of the channel book."""
RATES: Final = (1, 4, 10, 20, 50, 100)
"""Messages a second at most."""
DEFAULT_DEPTH: Final = 10
DEFAULT_RATE: Final = 20
ORDERS_RATE: Final = 20
"""The one rate of the channel orders: a book is followed order by order once, not once a rate."""


class StreamClass(NamedTuple):
    """What one set of messages is about: the same bytes go to all who subscribed to it.

    ``publisher_id`` None is all publishers of the instrument together; ``depth`` is 1 for bbo and 0 where it
    means nothing; ``dataset`` is empty unless several are served.
    """

    channel: Channel
    instrument_id: int
    publisher_id: int | None
    depth: int
    rate: int
    dataset: str = ""

    @property
    def name(self) -> str:
        """``book:432669:1:10:20``; with several datasets ``GLBX.MDP3/book:432669:1:10:20``."""
        publisher = "all" if self.publisher_id is None else self.publisher_id
        name = f"{self.channel}:{self.instrument_id}:{publisher}:{self.depth}:{self.rate}"
        return f"{self.dataset}/{name}" if self.dataset else name
