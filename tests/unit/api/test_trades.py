"""The tape: the last trades of each instrument and publisher, the newest first, and no more than that."""

from collections.abc import Iterator

import pytest
import structlog

from depthcast.api.market import Market
from depthcast.api.trades import Tape
from tests.support.records import LAST, add, clear, fill, trade
from tests.support.replicas import Told

P = 64_790_000_000


@pytest.fixture
def told() -> Iterator[Told]:
    with structlog.testing.capture_logs():
        made = Told()
        made.connect()
        for number in (7, 8):
            made.records(clear(instrument_id=number))
        made.completed()
        yield made


def traded(size: int, **fields: int) -> bytes:
    """A trade with its fill, as one event."""
    return trade("A", P, size, **fields) + fill(1, "B", P, size, LAST, **fields)


def test_trades_are_kept_by_instrument_the_newest_first(told: Told) -> None:
    market = Market([told.replica])
    tape = Tape(market)
    told.records(traded(1, ts_event=10, sequence=5), add(1, "B", P, 5), traded(2, instrument_id=8))
    told.records(traded(3, ts_event=11, ts_recv=12, sequence=6))
    last = tape.last(market.find("7"))
    assert [one.size for one in last] == [3, 1]
    assert last[0] == (1, 11, 12, P, 3, "A", 6)
    assert [one.size for one in tape.last(market.find("8"))] == [2]
    assert tape.total(told.replica) == 3


def test_limit_and_publisher(told: Told) -> None:
    market = Market([told.replica])
    tape = Tape(market)
    for size in range(1, 7):
        told.records(traded(size, publisher_id=1 + size % 2))
    listing = market.find("7")
    assert [one.size for one in tape.last(listing, 2)] == [6, 5]
    assert [one.size for one in tape.last(listing, 2, publisher_id=2)] == [5, 3]
    assert tape.last(listing, 0) == []
    assert tape.last(listing, publisher_id=9) == []


@pytest.mark.parametrize("ask_between", [False, True])
def test_no_more_than_so_many_are_kept(told: Told, ask_between: bool) -> None:
    market = Market([told.replica])
    tape = Tape(market, most=10)
    listing = market.find("7")
    for size in range(1, 9_001):
        told.records(traded(size))
        if ask_between and size % 7 == 0:
            assert len(tape.last(listing, 100)) == min(size, 10)
    assert [one.size for one in tape.last(listing, 100)] == list(range(9_000, 8_990, -1))
    assert tape.total(told.replica) == 9_000


def test_a_tape_of_no_length_only_counts(told: Told) -> None:
    market = Market([told.replica])
    tape = Tape(market, most=0)
    told.records(traded(1))
    assert tape.last(market.find("7")) == []
    assert tape.total(told.replica) == 1


def test_a_swap_keeps_the_trades_there_were(told: Told) -> None:
    market = Market([told.replica])
    tape = Tape(market)
    told.records(traded(1))
    told.disconnect()
    told.connect()
    told.records(told.replica.engine.snapshot(), traded(2))
    told.completed()
    assert [one.size for one in tape.last(market.find("7"))] == [2, 1]


def test_a_closed_tape_listens_no_more(told: Told) -> None:
    market = Market([told.replica])
    tape = Tape(market)
    tape.close()
    told.records(traded(1))
    assert tape.last(market.find("7")) == []
