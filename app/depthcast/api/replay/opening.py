"""From what is asked of a replay to where in the journal it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.options import HubOptions
from depthcast.api.past.gate import PastGate
from depthcast.api.past.problems import journal_problem
from depthcast.api.problems import ApiProblem, as_problem
from depthcast.api.replay.faces import Shown
from depthcast.api.replay.order import Order
from depthcast.api.replay.player import Start, started
from depthcast.api.replay.tape import Stretch, Tape
from depthcast.errors import BookError, JournalError
from depthcast.journal.at import Cut, Kept, kept
from depthcast.journal.past import Named, Past
from depthcast.journal.reader import JournalReader

__all__ = ["Opened", "open_replay", "refusal"]

MOST_ORDERS: Final = HubOptions().order_book_orders
"""Of a book on the channel orders, as live."""
_MEMBERS: Final = ("candidates", "publishers", "available_from", "available_until")


@dataclass(slots=True)
class Opened:
    """A replay that can begin.

    Attributes:
        order: what was asked.
        gate: the way to the journal.
        reader: the journal.
        symbols: the instruments, by id.
        start: where it begins.
        kept: the times that the journal has.
        on_end: called when nothing more comes by itself.
    """

    order: Order
    gate: PastGate
    reader: JournalReader
    symbols: dict[int, str]
    start: Start
    kept: Kept
    on_end: Callable[[], None]

    @property
    def dataset(self) -> str:
        return self.reader.journal.dataset

    def shown(self, name: str) -> Shown:
        """What the replay of this name shows of a book."""
        order = self.order
        return Shown(name, order.channels, order.depth, order.rate, self.dataset)

    async def read(self, tape: Tape) -> Stretch | None:
        """What comes next.

        Raises:
            RequestError: the journal is damaged, cannot be read, or not in time.
        """

        def question(_: Past) -> Stretch | None:
            try:
                return tape.read()
            except JournalError as error:
                raise journal_problem(error) from error

        try:
            return await self.gate.run(question)
        except ApiProblem as problem:
            raise refusal(problem) from None

    async def start_at(self, ts_recv: int) -> Start:
        """The beginning at another time.

        Raises:
            RequestError: the journal does not have it, is damaged, cannot be read, or not in time.
        """

        def started_at(past: Past) -> Start:
            cut = past.cut(self.reader, ts_recv)
            return _start(past, self.reader, cut, self.symbols, self.order, ts_recv)

        def question(past: Past) -> Start:
            try:
                return past.retrying(self.reader, lambda: started_at(past))
            except JournalError as error:
                raise journal_problem(error) from error

        try:
            return await self.gate.run(question)
        except ApiProblem as problem:
            raise refusal(problem) from None


async def open_replay(gate: PastGate, key: str, order: Order) -> Opened:
    """Find where a replay begins.

    Args:
        key: whose question it is.

    Raises:
        ApiProblem: no such instrument or time, several journals, damage, too many questions.
    """

    def question(past: Past) -> Opened:
        try:
            return _opened(past, gate, order)
        except JournalError as error:
            raise journal_problem(error) from error
        except BookError as error:
            raise as_problem(error) from error

    return await gate.ask(key, question)


def refusal(problem: ApiProblem) -> RequestError:
    """A problem as the stream tells it."""
    members = {name: problem.members[name] for name in _MEMBERS if name in problem.members}
    return RequestError(problem.type.name.replace("-", "_"), problem.detail, **members)


def _opened(past: Past, gate: PastGate, order: Order) -> Opened:
    if order.position is not None:
        return _opened_at_position(past, gate, order, order.position)
    start = order.start or 0
    found = [_one(past, past.find(text, start, from_nothing=True), start) for text in order.instruments]
    reader = _same(found)
    return past.retrying(
        reader, lambda: _made(past, gate, order, reader, found, past.cut(reader, start), start)
    )


def _opened_at_position(past: Past, gate: PastGate, order: Order, position: int) -> Opened:
    """Positions are of one journal: it is the one that the names are found in, at the newest time."""
    newest = past.kept().last or 0
    start = newest if order.start is None else order.start
    found = [_one(past, past.find(text, start, from_nothing=True), start) for text in order.instruments]
    reader = _same(found)
    return past.retrying(
        reader, lambda: _made(past, gate, order, reader, found, past.place(reader, position), None)
    )


def _made(
    past: Past,
    gate: PastGate,
    order: Order,
    reader: JournalReader,
    found: list[Named],
    cut: Cut,
    ts_recv: int | None,
) -> Opened:
    symbols = {each.instrument_id: each.symbol or str(each.instrument_id) for each in found}
    start = _start(past, reader, cut, symbols, order, ts_recv)
    return Opened(order, gate, reader, symbols, start, kept(reader), on_end=_nothing)


def _start(
    past: Past, reader: JournalReader, cut: Cut, symbols: dict[int, str], order: Order, ts_recv: int | None
) -> Start:
    orders = "orders" in order.channels
    start = started(past, reader, cut, symbols, ts_recv=ts_recv, end=order.end, orders=orders)
    for key in start.order_engines:
        count = start.engine.status(key.instrument_id, key.publisher_id).orders
        if count > MOST_ORDERS:
            raise ApiProblem(
                "book-too-large",
                f"the book of {symbols[key.instrument_id]} has {count:,} orders then; the channel orders "
                f"serves at most {MOST_ORDERS:,}",
            )
    return start


def _one(past: Past, found: list[Named], ts_recv: int) -> Named:
    """Of the shards that know an instrument the one with its book; the first if none has one yet."""
    if len(found) == 1:
        return found[0]
    books = ((named, past.at(named, ts_recv, from_nothing=True)) for named in found)
    return next((named for named, book in books if book.engine.publishers(named.instrument_id)), found[0])


def _same(found: list[Named]) -> JournalReader:
    """The journal of all of them."""
    readers = {id(each.reader): each.reader for each in found}
    if len(readers) > 1:
        names = ", ".join(each.name for each in found)
        raise ApiProblem(
            "invalid-parameter",
            f"{names} are of several journals: ask for a replay of each by itself",
        )
    return found[0].reader


def _nothing() -> None:
    """Nobody waits for the end."""
