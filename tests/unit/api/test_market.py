"""Finding instruments: by symbol, by id, over several feeds and shards; what is known of each."""

from collections.abc import Iterator

import pytest
import structlog

from depthcast.api.market import Market
from depthcast.book.types import BookKey
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import AmbiguousInstrumentError, UnknownInstrumentError
from depthcast.live.events import SymbolMapped
from depthcast.live.replica import Replica
from tests.support.definitions import definition
from tests.support.records import clear, status
from tests.support.replicas import Told


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def told(dataset: str = "GLBX.MDP3", books: tuple[BookKey, ...] = (), **symbols: int) -> Told:
    """A live replica that knows these symbols and has these books."""
    return told_of(dataset, books, symbols)


def told_of(dataset: str, books: tuple[BookKey, ...], symbols: dict[str, int]) -> Told:
    made = Told(dataset)
    made.connect()
    for symbol, number in symbols.items():
        made.replica.on_event(SymbolMapped(number, symbol))
    for key in books:
        made.records(clear(publisher_id=key.publisher_id, instrument_id=key.instrument_id))
    made.completed()
    return made


def market(*replicas: Told) -> Market:
    return Market([each.replica for each in replicas])


def test_an_instrument_is_found_by_symbol_and_by_id() -> None:
    found = market(told(CLX5=7, CLZ5=8))
    for text in ("CLX5", "7", "GLBX.MDP3:CLX5", "GLBX.MDP3:7", "007"):
        listing = found.find(text)
        assert (listing.instrument_id, listing.symbol, listing.name) == (7, "CLX5", "GLBX.MDP3:CLX5")


def test_an_instrument_without_a_symbol_is_found_by_its_book() -> None:
    found = market(told(books=(BookKey(1, 7),)))
    listing = found.find("7")
    assert (listing.symbol, listing.name) == (None, "GLBX.MDP3:7")
    assert found.listings() == [listing]


@pytest.mark.parametrize(
    "text",
    ["", "CLX6", "clx5", "8", "-7", "7 ", "９", "99999999999", "GLBX.MDP3:", "XNAS.ITCH:CLX5", ":CLX5"],
)
def test_what_nobody_has_is_unknown(text: str) -> None:
    with pytest.raises(UnknownInstrumentError, match="no feed"):
        market(told(CLX5=7)).find(text)


def test_a_symbol_of_digits_goes_before_an_id() -> None:
    found = market(told_of("XHKG.OMD", (), {"700": 7, "HSI": 700}))
    assert found.find("700").instrument_id == 7


def test_a_symbol_may_have_a_colon() -> None:
    found = market(told_of("GLBX.MDP3", (), {"CL:X5": 7}))
    assert found.find("CL:X5").instrument_id == 7
    assert found.find("GLBX.MDP3:CL:X5").instrument_id == 7


def test_what_two_datasets_have_is_to_be_told_apart() -> None:
    found = market(told("XNAS.ITCH", AAPL=7), told("ARCX.PILLAR", AAPL=9, MSFT=7))
    with pytest.raises(AmbiguousInstrumentError) as refused:
        found.find("AAPL")
    assert refused.value.choices == ("XNAS.ITCH:AAPL", "ARCX.PILLAR:AAPL")
    assert all(found.find(choice).symbol == "AAPL" for choice in refused.value.choices)
    with pytest.raises(AmbiguousInstrumentError) as refused:
        found.find("7")
    assert refused.value.choices == ("XNAS.ITCH:AAPL", "ARCX.PILLAR:MSFT")
    assert found.find("MSFT").replica.dataset == "ARCX.PILLAR"


def test_of_the_shards_of_a_dataset_the_one_with_the_book_is_meant() -> None:
    first = told(books=(BookKey(1, 7),), CLX5=7, CLZ5=8)
    second = told(books=(BookKey(1, 8),), CLX5=7, CLZ5=8)
    found = market(first, second)
    assert found.find("CLX5").replica is first.replica
    assert found.find("CLZ5").replica is found.find("8").replica is second.replica
    assert [each.name for each in found.listings()] == ["GLBX.MDP3:CLX5", "GLBX.MDP3:CLZ5"]
    assert [each.replica for each in found.listings()] == [first.replica, second.replica]


def test_publishers_and_books_of_an_instrument() -> None:
    found = market(told(books=(BookKey(2, 7), BookKey(1, 7), BookKey(1, 8)), AAPL=7, MSFT=9))
    assert found.find("AAPL").publishers() == [1, 2]
    assert found.find("AAPL").keys() == [BookKey(1, 7), BookKey(2, 7)]
    assert found.find("MSFT").publishers() == []


def test_listings_are_by_dataset_then_symbol_then_id() -> None:
    found = market(told("B.B", books=(BookKey(1, 5), BookKey(1, 4)), BB=1, AA=2), told("A.A", ZZ=1))
    assert [each.name for each in found.listings()] == ["A.A:ZZ", "B.B:AA", "B.B:BB", "B.B:4", "B.B:5"]


def test_a_search_finds_parts_of_symbols_ids_and_definitions_the_best_first() -> None:
    replica = told(ESZ5=70, MESZ5=71, CLX5=7, NQZ5=12)
    replica.records(definition(12, "NQZ5", asset="ESX"))
    found = market(replica)
    assert [each.symbol for each in found.search("es")] == ["ESZ5", "MESZ5", "NQZ5"]
    assert [each.symbol for each in found.search("7")] == ["CLX5", "ESZ5", "MESZ5"]
    assert [each.symbol for each in found.search("ESZ5", limit=1)] == ["ESZ5"]
    assert found.search("nothing") == []
    assert len(found.search("")) == 4
    assert len(found.search(" ", limit=2)) == 2


def test_what_is_new_is_found_at_once() -> None:
    replica = told(CLX5=7)
    found = market(replica)
    assert [each.name for each in found.listings()] == ["GLBX.MDP3:CLX5"]
    replica.records(status(7, instrument_id=9))
    assert len(found.listings()) == 1
    replica.records(clear(instrument_id=9))
    assert [each.name for each in found.listings()] == ["GLBX.MDP3:CLX5", "GLBX.MDP3:9"]
    replica.replica.on_event(SymbolMapped(9, "ESZ5"))
    assert [each.name for each in found.search("es")] == ["GLBX.MDP3:ESZ5"]
    replica.records(definition(9, "ESZ5", asset="ES", exchange="XCME"))
    assert [each.name for each in found.search("xcme")] == ["GLBX.MDP3:ESZ5"]
    replica.disconnect()
    replica.connect()
    replica.records(clear(instrument_id=7))
    replica.completed()
    replica.wait(5)
    assert [each.publishers() for each in found.listings()] == [[1], []]


def test_a_definition_is_told_in_decimals() -> None:
    replica = told()
    replica.records(
        definition(7, "CLX5", min_price_increment=10_000_000, expiration=1_700_000_000_000_000_000)
    )
    found = market(replica).find("CLX5")
    view = found.definition
    assert view is not None
    assert (view.raw_symbol, view.tick_size, view.display_factor) == ("CLX5", "0.01", "1")
    assert (view.asset, view.security_type, view.instrument_class) == ("CL", "FUT", "F")
    assert (view.expiration, view.expiration_iso) == (
        "1700000000000000000",
        "2023-11-14T22:13:20.000000000Z",
    )


def test_what_a_definition_leaves_out_is_none() -> None:
    replica = told(CLX5=7)
    assert market(replica).find("CLX5").definition is None
    replica.records(
        definition(7, "CLX5", asset="", expiration=UNDEF_TIMESTAMP, min_price_increment=2**63 - 1)
    )
    view = market(replica).find("CLX5").definition
    assert view is not None
    assert (view.asset, view.tick_size, view.expiration, view.expiration_iso) == (None, None, None, None)


def test_a_market_is_ready_once_all_its_feeds_are() -> None:
    ready, waiting = told("A.A"), Told("B.B")
    both = market(ready, waiting)
    assert both.datasets == ("A.A", "B.B")
    assert both.ready is False
    waiting.connect()
    waiting.completed()
    assert market(ready, waiting).ready
    with pytest.raises(ValueError, match="at least one"):
        Market([])


def test_replicas_are_those_that_were_given() -> None:
    one = told()
    assert isinstance(one.replica, Replica)
    assert market(one).replicas == (one.replica,)
