"""What an audit observed about the venue, put in words and shares."""

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from typing import Final, NamedTuple

from depthcast.book.audit.checks import Image
from depthcast.book.audit.fills import CAUSES, UNJUDGED, FillJudge
from depthcast.book.audit.records import EXAMPLES_MAX, Tally, iso_or_none, price_or_none
from depthcast.book.audit.report import Example, Observation, OrderExample, Part
from depthcast.book.audit.scan import Scan
from depthcast.book.audit.tops import Tops
from depthcast.book.audit.walk import Walk
from depthcast.book.types import BookKey


class _Text(NamedTuple):
    title: str
    of: str
    what: str


_WATCHED: Final = {
    "unknown_cancels": _Text(
        "Cancels of unknown orders",
        "cancels",
        "Ignored: the order is from before the data began, or was missed.",
    ),
    "unknown_modifies": _Text(
        "Modifies of unknown orders",
        "modifies",
        "The order is from before the data began: it enters the book here.",
    ),
    "unknown_fills": _Text(
        "Fills of unknown orders", "fills", "The order is from before the data began, or was never shown."
    ),
    "over_cancels": _Text(
        "Cancels of more than is left",
        "cancels",
        "The order was removed; the venue and the book differed about it.",
    ),
    "cancel_mismatches": _Text(
        "Cancels with another price or side",
        "cancels",
        "The order was found by its id; price and side are not used.",
    ),
    "duplicate_adds": _Text(
        "Adds of orders that rest already", "adds", "The old one was removed, the new one joined the tail."
    ),
    "zero_size_adds": _Text("Adds of size 0", "records", "Ignored."),
    "zero_size_modifies": _Text("Modifies to size 0", "modifies", "The order was removed."),
    "side_changes": _Text(
        "Modifies to the other side", "modifies", "The order joined the tail at its new side."
    ),
    "refills": _Text(
        "Iceberg refills",
        "modifies",
        "A display quantity that was filled whole came back: at the tail of its queue.",
    ),
    "unknown_actions": _Text("Records of an unknown action", "records", "Ignored."),
    "bad_side": _Text("Adds and modifies without a side", "records", "Ignored."),
    "bad_price": _Text("Adds and modifies without a price", "records", "Ignored."),
    "mbp_records": _Text(
        "Aggregated levels (F_MBP)", "records", "Ignored, and the book is suspect: they are not orders."
    ),
    "tob_modifies": _Text("Modifies of top-of-book levels", "records", "Ignored."),
    "maybe_bad_book": _Text(
        "Suspect records (F_MAYBE_BAD_BOOK)", "records", "The vendor lost data; suspect until the next clear."
    ),
    "snapshots_without_clear": _Text(
        "Snapshots without a clear", "snapshot records", "The book was emptied first, as a clear would have."
    ),
    "long_events": _Text(
        "Events of extreme length",
        "events",
        "More records or time than an event may have: the book is suspect.",
    ),
}

_TOPS: Final = {
    "crossed": _Text(
        "Crossed books",
        "event ends",
        "The best bid is above the best ask: right in pre-open and auctions, real in continuous trading too.",
    ),
    "locked": _Text("Locked books", "event ends", "The best bid is the best ask."),
}


def share(count: int, total: int) -> float | None:
    """A share to six decimals, None of nothing."""
    return round(count / total, 6) if total else None


def observe(scan: Scan, walk: Walk, counters: Mapping[str, int]) -> list[Observation]:
    """All observations, those of most weight first; what was not seen is listed with a count of 0."""
    totals = {
        "records": scan.records,
        "events": scan.events,
        "event ends": scan.events,
        "snapshot records": scan.snapshot_records,
        "live records": scan.live_records,
        **{name: counters[name] for name in ("adds", "cancels", "modifies", "fills")},
    }
    return [
        _fills(walk.fills),
        *(_tops(walk.tops, scan, name, totals) for name in _TOPS),
        *(_counted(name, text, walk.tallies[name], totals, scan) for name, text in _WATCHED.items()),
        *_order(scan, totals),
        _alive(walk.inspector.final, counters),
    ]


def _observation(
    name: str,
    text: _Text,
    tally: Tally,
    total: int,
    *,
    parts: Iterable[tuple[str, int]] = (),
    measures: dict[str, int | str] | None = None,
    examples: list[Example] | None = None,
) -> Observation:
    return Observation(
        id=name,
        title=text.title,
        what=text.what,
        count=tally.count,
        of=text.of,
        total=total,
        share=share(tally.count, total),
        first=tally.first,
        last=tally.last,
        parts=[Part(part, count, share(count, total)) for part, count in parts],
        measures=measures or {},
        examples=tally.examples if examples is None else examples,
    )


def _fills(fills: FillJudge) -> Observation:
    text = _Text(
        "Fills at the front",
        "judged trades",
        "The orders that a trade's fills name are the first of the resting side's queue when the event "
        "began, less those of its earlier trades: the venue's own word on queue order. Judged are trades "
        "with a side whose fills all name known orders. The parts are the causes of the rest.",
    )
    judged = fills.at_front.count + fills.not_front.count
    measures: dict[str, int | str] = {"listed_in_queue_order": fills.in_order}
    measures |= {f"not_judged_{why}": fills.unjudged[why] for why in UNJUDGED}
    return _observation(
        "fills_at_front",
        text,
        fills.at_front,
        judged,
        parts=[(cause, fills.causes[cause]) for cause in CAUSES],
        measures=measures,
        examples=fills.not_front.examples,
    )


def _tops(tops: Tops, scan: Scan, name: str, totals: Mapping[str, int]) -> Observation:
    kind, text = tops.kinds[name], _TOPS[name]
    return _observation(
        name,
        text,
        kind.tally,
        totals[text.of],
        parts=sorted(kind.phases.items()),
        measures={
            "intervals": kind.intervals,
            "total_ns": str(kind.total_ns),
            "longest_ns": str(kind.longest_ns),
        },
        examples=[*tops.examples(name, scan.trades)],
    )


def _counted(name: str, text: _Text, tally: Tally, totals: Mapping[str, int], scan: Scan) -> Observation:
    measures: dict[str, int | str] = {"longest_event": scan.longest_event} if name == "long_events" else {}
    return _observation(name, text, tally, totals[text.of], measures=measures)


def _order(scan: Scan, totals: Mapping[str, int]) -> list[Observation]:
    backwards = {
        "ts_recv_back": (
            _Text("ts_recv going back", "live records", "Before that of the record before; snapshots aside."),
            scan.ts_recv_back,
        ),
        "sequence_back": (
            _Text(
                "sequence going back",
                "live records",
                "Below that of the book's record before; snapshots aside.",
            ),
            scan.sequence_back,
        ),
    }
    found = [_observation(name, text, tally, totals[text.of]) for name, (text, tally) in backwards.items()]
    orphans = _Text("Fills without a trade", "fills", "No trade comes before them in their event.")
    return [*found, _observation("fills_without_trade", orphans, scan.trades.orphans, totals["fills"])]


def _alive(final: Mapping[BookKey, Image], counters: Mapping[str, int]) -> Observation:
    """Orders that rest at the end, of all that were ever shown."""
    alive = [
        (order.ts_event, key, name, level.price, order)
        for key, image in final.items()
        for name, side in image.sides
        for level, queue in zip(side.levels, side.queues, strict=True)
        for order in queue
    ]
    tally = Tally()
    tally.count = len(alive)
    text = _Text(
        "Orders alive at the end",
        "orders",
        "Orders that rest when the data ends, of all that entered a book; the examples are the oldest.",
    )
    examples: list[Example] = [
        OrderExample(
            publisher_id=key.publisher_id,
            instrument_id=key.instrument_id,
            order_id=str(order.order_id),
            side=name,
            price=price_or_none(price) or "",
            size=order.size,
            ts_event=str(order.ts_event),
            iso=iso_or_none(order.ts_event),
            sequence=order.sequence,
        )
        for _, key, name, price, order in nsmallest(EXAMPLES_MAX, alive, key=lambda each: (each[0], each[4]))
    ]
    measures: dict[str, int | str] = {}
    if alive:
        times = [each[0] for each in alive]
        measures = {"oldest_ts_event": str(min(times)), "newest_ts_event": str(max(times))}
    entered = counters["adds"] - counters["tob_adds"] + counters["unknown_modifies"]
    return _observation("orders_alive", text, tally, entered, measures=measures, examples=examples)
