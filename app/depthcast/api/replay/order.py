"""What is asked of a replay, checked."""

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from depthcast.api.hub.classes import DEFAULT_DEPTH, DEPTHS, RATES, Channel
from depthcast.api.hub.errors import RequestError
from depthcast.dbn.times import EXPECTED_TIME, parse_ns

if TYPE_CHECKING:
    from depthcast.api.hub.requests import Subscribe

__all__ = [
    "CHANNELS",
    "MAX_INSTRUMENTS",
    "MAX_SPEED",
    "MIN_SPEED",
    "Order",
    "order_of",
    "said",
    "speed_of",
    "time_of",
]

CHANNELS: Final[tuple[Channel, ...]] = ("book", "bbo", "trades", "orders")
"""What a replay can show of a book."""
MAX_INSTRUMENTS: Final = 20
MIN_SPEED: Final = 0.1
MAX_SPEED: Final = 1_000.0

Speed = float | Literal["max"]


class Order(NamedTuple):
    """A replay that is asked for.

    Attributes:
        instruments: names.
        start: the time (ns) at which it begins; None where ``position`` says it.
        position: of the journal's record with which it goes on.
        end: the time after which it ends; None for the end of the closed segments.
        speed: feed time in a second; infinite for as fast as it is taken.
        channels, depth, rate, publisher: what is shown.
        paused: it waits for a request to go on.
    """

    instruments: Sequence[str]
    start: int | None
    position: int | None
    end: int | None
    speed: float
    channels: Sequence[Channel]
    depth: int
    rate: int | None
    publisher: int | None
    paused: bool


def order_of(request: "Subscribe", epoch: str, *, resumed: bool = False) -> Order:
    """A request with channel ``replay``, checked.

    Args:
        epoch: that of all replays: ``since`` means something in it.
        resumed: a browser came back by itself: beside what it asked for it says ``since``.

    Raises:
        RequestError: what is wrong with it.
    """
    if len(request.instruments) > MAX_INSTRUMENTS:
        raise RequestError("bad_request", f"a replay has at most {MAX_INSTRUMENTS} instruments")
    channels = request.channels if request.channels is not None else ["book"]
    wrong = [each for each in channels if each not in CHANNELS]
    if wrong or not channels:
        raise RequestError("bad_channels", f"channels are some of {', '.join(CHANNELS)}")
    if request.depth is not None and request.depth not in DEPTHS:
        raise RequestError("bad_depth", f"depth is one of {', '.join(map(str, DEPTHS))}")
    if request.rate is not None and request.rate not in RATES:
        raise RequestError("bad_rate", f"rate is one of {', '.join(map(str, RATES))}")
    since = request.since
    if since is not None and request.start is not None and not resumed:
        raise RequestError("bad_request", "since: is instead of start, so give one of them")
    if since is not None and since.epoch != epoch:
        raise RequestError("bad_time", f"since: a replay's epoch is {epoch!r}, not {since.epoch!r}")
    if since is None and request.start is None:
        raise RequestError("bad_time", "start: a replay begins at a time; " + EXPECTED_TIME)
    start = None if request.start is None else time_of(request.start, "start")
    end = None if request.end is None else time_of(request.end, "end")
    if start is not None and end is not None and end < start:
        raise RequestError("bad_time", "end: it is before start")
    return Order(
        instruments=list(dict.fromkeys(request.instruments)),
        start=start,
        position=None if since is None else since.seq,
        end=end,
        speed=speed_of(1.0 if request.speed is None else request.speed),
        channels=[each for each in CHANNELS if each in channels],
        depth=request.depth or DEFAULT_DEPTH,
        rate=request.rate,
        publisher=request.publisher,
        paused=bool(request.paused),
    )


def speed_of(given: float | str) -> float:
    """A speed; ``max`` is infinite.

    Raises:
        RequestError: it is none.
    """
    if given == "max":
        return inf
    if isinstance(given, str) or not MIN_SPEED <= given <= MAX_SPEED:
        raise RequestError("bad_speed", f"speed is from {MIN_SPEED:g} to {MAX_SPEED:g}, or max")
    return float(given)


def said(speed: float) -> Speed:
    """A speed as messages have it."""
    return "max" if speed == inf else speed


def time_of(given: int | str, field: str) -> int:
    """A time (ns).

    Raises:
        RequestError: it is none.
    """
    ns = parse_ns(str(given))
    if ns is None:
        raise RequestError("bad_time", f"{field}: {EXPECTED_TIME}")
    return ns
