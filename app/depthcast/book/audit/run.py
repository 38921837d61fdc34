"""The audit: whether the books that a file gives can be trusted, and what the venue did (docs/audit.md).

A file is read three times: for what its records say in themselves (`scan`), record by record with the
engine that is audited (`walk`), and in large chunks with engines that must come to the same books
(`rebuild`). Hard rules are the invariants of docs/book.md; one that is broken is a bug, and the report
is not valid. Observations are about the data: none of them makes a report invalid.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple, Protocol

from depthcast.book.audit.observations import observe
from depthcast.book.audit.rebuild import Rebuild
from depthcast.book.audit.records import Batch, batches, moment
from depthcast.book.audit.report import FORMAT, AuditedBook, AuditedSource, AuditReport
from depthcast.book.audit.rules import RuleBook
from depthcast.book.audit.scan import Scan
from depthcast.book.audit.walk import Walk
from depthcast.book.protocol import BookEngine
from depthcast.errors import DBNError, UnknownBookError

__all__ = ["AuditSource", "EngineChoice", "audit"]

_ACTIONS = "adds", "cancels", "modifies", "clears", "trades", "fills", "nones"
_IGNORED = "unknown_actions", "bad_side", "bad_price", "zero_size_adds", "mbp_records", "tob_modifies"


class AuditSource(Protocol):
    """What is audited: records that can be read again and again."""

    def read(self) -> Iterator[memoryview]:
        """All records from the first, in chunks of whole records, each valid until the next is asked for."""
        ...

    def describe(self) -> AuditedSource:
        """What was read; asked after a reading."""
        ...

    def symbols(self) -> Mapping[int, str]:
        """The symbol of each instrument id, as far as they are known; asked after a reading."""
        ...


class EngineChoice(NamedTuple):
    """An engine by name, and how a fresh one is made."""

    name: str
    make: Callable[[], BookEngine]


def audit(
    source: AuditSource,
    engine: EngineChoice,
    other: EngineChoice,
    *,
    instrument_ids: Collection[int] | None = None,
) -> AuditReport:
    """Audit the books that ``engine`` rebuilds from a source; ``other`` rebuilds them too, to compare.

    Args:
        source: the records.
        engine: the engine that is audited.
        other: another implementation of the rules.
        instrument_ids: audit these instruments' books only.

    Raises:
        DBNError: the source's bytes are broken, it has no MBO records, or others when it was read again.
        UnknownBookError: it has none of the instruments.
    """
    scan = Scan()
    for batch in batches(source.read(), instrument_ids):
        scan.add(batch)
    scan.trades.finish()
    if scan.records == 0 and instrument_ids is None:
        raise DBNError("no MBO records: there is no book to audit")
    if scan.records == 0:
        raise UnknownBookError("no MBO record of this instrument: there is no book to audit")

    rules = RuleBook()
    audited = engine.make()
    walk = Walk(audited, scan, rules)
    walk.run(_again(source, instrument_ids, scan.records))
    counters = audited.counters
    rules.check("counted", _accounts(scan, counters), scan.last)
    rebuild = Rebuild(engine.make, other.make, walk.marks, rules)
    rebuild.run(_again(source, instrument_ids, scan.records))

    books = _books(walk, source.symbols())
    reported = rules.report(_how(scan, walk, rebuild))
    valid = all(rule.holds for rule in reported)
    return AuditReport(
        format=FORMAT,
        source=source.describe(),
        valid=valid,
        trusted=valid and all(book.trusted for book in books),
        engine=engine.name,
        rebuilt_by=other.name,
        records=scan.records,
        events=scan.events,
        first=None if scan.first is None else moment(*scan.first),
        last=None if scan.last is None else moment(*scan.last),
        books=books,
        rules=reported,
        observations=observe(scan, walk, counters),
        counters=dict(counters),
    )


def _again(source: AuditSource, instrument_ids: Collection[int] | None, records: int) -> Iterator[Batch]:
    """Read the source once more, and see that it gives as many records."""
    seen = 0
    for batch in batches(source.read(), instrument_ids):
        seen += len(batch.mbo)
        if seen > records:
            break
        yield batch
    if seen != records:
        raise DBNError(f"it changed while it was audited: {records} MBO records, then {seen}")


def _accounts(scan: Scan, counters: Mapping[str, int]) -> list[str]:
    """The engine's counters against what was counted in the file without it, and against each other."""
    expected = {
        "records": scan.records,
        "events": scan.events,
        "snapshot_records": scan.snapshot_records,
        "maybe_bad_book": scan.flagged_records,
    }
    faults = [
        f"counter {name}: {counters[name]}, the file has {count}"
        for name, count in expected.items()
        if counters[name] != count
    ]
    sorted_out = sum(counters[name] for name in _ACTIONS + _IGNORED)
    if sorted_out != counters["records"]:
        faults.append(
            f"{sorted_out} records were applied or ignored under a counter, of {counters['records']}"
        )
    return faults


def _books(walk: Walk, symbols: Mapping[int, str]) -> list[AuditedBook]:
    checksums = walk.marks[-1].books
    return [
        AuditedBook(
            publisher_id=key.publisher_id,
            instrument_id=key.instrument_id,
            symbol=symbols.get(key.instrument_id),
            trusted=image.status.complete and not image.status.suspect,
            complete=image.status.complete,
            suspect=image.status.suspect,
            in_event=image.status.in_event,
            top=image.status.top,
            phase=image.status.phase,
            records=image.status.records,
            events=image.status.events,
            orders=image.status.orders,
            levels=image.status.levels,
            checksum=checksums[key][1],
        )
        for key, image in walk.inspector.final.items()
    ]


def _how(scan: Scan, walk: Walk, rebuild: Rebuild) -> dict[str, str]:
    """Where each rule was checked."""
    inspector = walk.inspector
    books = f"at the end and {_of(inspector.checked_events, scan.events)}"
    every = "all books" if len(inspector.final) != 1 else "the book"
    marks = f"{every} at {len(walk.marks):,} positions, spread evenly"
    return {
        "counted": "all records",
        "levels": books,
        "orders": books,
        "prices": books,
        "priority": f"{books}, with what the event did at {inspector.checked_transitions:,} of these",
        "volume": books if scan.books == 1 else f"{marks}, and at the end",
        "chunking": marks,
        "snapshots": f"{marks}, {rebuild.restarts:,} of them reached from the restart before",
        "engines": marks,
        "structures": f"at the end and {_of(inspector.self_checks, scan.events)}",
    }


def _of(checked: int, events: int) -> str:
    return f"every event end ({events:,})" if checked == events else f"{checked:,} of {events:,} event ends"
