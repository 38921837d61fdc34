"""The queue at a price, as a picture and as a table: its orders in the order they are filled in."""

from typing import Final, Literal, NamedTuple

from depthcast.api.past.answers import PastBooks
from depthcast.api.problems import invalid
from depthcast.api.routes.parameters import parse_price
from depthcast.api.selection import Books

__all__ = ["Place", "Queue", "queue_of"]

WIDTH: Final = 1_000
GAP: Final = 2.0
MOST_PRICE: Final = 2**63
LEAST: Final = 1.5
"""Of the picture's width: an order is seen however small it is."""
MOST: Final = 200
"""Orders shown; those behind are added up."""


class Place(NamedTuple):
    """An order in its queue, with its part of the picture."""

    order_id: str
    size: int
    ts_event: int
    orders_ahead: int
    size_ahead: int
    x: float
    width: float
    followed: bool


class Queue(NamedTuple):
    """A level's orders. ``gone`` if the order that is followed is not among them."""

    side: str
    price: int
    text: str
    size: int
    number: int
    orders: list[Place]
    rest: int
    followed: str
    gone: bool

    @property
    def place(self) -> Place | None:
        """Of the order that is followed."""
        return next((each for each in self.orders if each.followed), None)


def queue_of(books: Books | PastBooks, side: Literal["bid", "ask"], text: str, followed: str) -> Queue:
    """The queue of a level; empty where there is none.

    Raises:
        ApiProblem: the instrument has books of several publishers, each with queues of its own.
    """
    books.require_one()
    price = parse_price(text)
    if not -MOST_PRICE <= price < MOST_PRICE:
        raise invalid("price", "is larger than any price", where="path")
    found = books.engine.orders(books.instrument_id, "B" if side == "bid" else "A", price, books.publisher_id)
    total = sum(order.size for order in found)
    shown = found[:MOST]
    widths = _widths([order.size for order in shown])
    places: list[Place] = []
    x, ahead = 0.0, 0
    for index, (order, width) in enumerate(zip(shown, widths, strict=True)):
        number = str(order.order_id)
        places.append(Place(number, order.size, order.ts_event, index, ahead, x, width, number == followed))
        x += width + GAP
        ahead += order.size
    standing = any(str(order.order_id) == followed for order in found)
    return Queue(
        side=side, price=price, text=text, size=total, number=len(found), orders=places,
        rest=len(found) - len(shown), followed=followed, gone=bool(followed) and not standing,
    )  # fmt: skip


def _widths(sizes: list[int]) -> list[float]:
    """Widths in proportion to sizes, none below `LEAST`, with the gaps as wide as the picture together."""
    if not sizes:
        return []
    room = WIDTH - GAP * (len(sizes) - 1)
    total = sum(sizes) or 1
    small = [size * room / total < LEAST for size in sizes]
    rest = room - LEAST * sum(small)
    large = sum(size for size, is_small in zip(sizes, small, strict=True) if not is_small) or 1
    return [
        round(LEAST if is_small else max(LEAST, size * rest / large), 2)
        for size, is_small in zip(sizes, small, strict=True)
    ]
