"""The report of an audit for people: the verdict, the books, the hard rules, what the venue did."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from depthcast.book.audit.report import (
    AuditedBook,
    AuditReport,
    Example,
    IntervalExample,
    Moment,
    Observation,
    OrderExample,
    RecordExample,
    Rule,
    TradeExample,
    Violation,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = ["as_text"]

_PLAIN_WIDTH: Final = 110
_BOOKS_SHOWN: Final = 12
_EXAMPLES_SHOWN: Final = 1
_INDENT: Final = 3
_NS: Final = 1e9
_GOOD: Final = "bold green"
_FAIR: Final = "bold yellow"
_BAD: Final = "bold red"


def as_text(report: AuditReport, *, terminal: bool) -> str:
    """The report, in colour and fitted to the terminal, or plain for a pipe or a file."""
    from rich.console import Console

    text = io.StringIO()
    if terminal:
        width = min(max(Console().width, 72), 140)
        console = Console(file=text, force_terminal=True, width=width, highlight=False)
    else:
        console = Console(file=text, width=_PLAIN_WIDTH, highlight=False, color_system=None)
    for part in _parts(report):
        console.print(part)
    return "".join(line.rstrip() + "\n" for line in text.getvalue().splitlines())


def _parts(report: AuditReport) -> Iterator["RenderableType"]:
    yield _verdict(report)
    yield ""
    yield _facts(report)
    yield ""
    yield _books(report.books)
    yield ""
    yield _rules(report.rules)
    yield ""
    yield from _observations(report)
    unseen = [each.title for each in report.observations if not _worth_telling(each)]
    if unseen:
        yield ""
        yield _styled("Not seen: " + ", ".join(_lower(title) for title in unseen) + ".", "dim")


def _verdict(report: AuditReport) -> "Text":
    from rich.text import Text

    broken = [rule for rule in report.rules if not rule.holds]
    doubtful = [book for book in report.books if not book.trusted]
    if broken:
        mark, style = "✘ NOT VALID", _BAD
        told = f"{len(broken)} of {len(report.rules)} hard rules broken: a bug, do not use the books"
    elif doubtful:
        mark, style = "✔ VALID", _FAIR
        told = f"every hard rule holds, but {_doubt(doubtful, len(report.books))}"
    else:
        mark, style = "✔ VALID", _GOOD
        told = "every hard rule holds, and " + (
            "the book can be trusted" if len(report.books) == 1 else "all books can be trusted"
        )
    return Text.assemble((mark, style), "  ", told)


def _doubt(doubtful: list[AuditedBook], books: int) -> str:
    suspect = sum(book.suspect for book in doubtful)
    incomplete = len(doubtful) - suspect
    why = {
        "incomplete (no clear or snapshot at its start: older depth is not known)": incomplete,
        "suspect (data was lost)": suspect,
    }
    if books == 1:
        return "the book is " + next(reason for reason, count in why.items() if count)
    return ", ".join(
        f"{count:,} of {books:,} books {'is' if count == 1 else 'are'} {reason}"
        for reason, count in why.items()
        if count
    )


def _facts(report: AuditReport) -> "Table":
    table = _table(2)
    source = report.source
    rows: list[tuple[str, str]] = []
    for file in source.files:
        rows += [("file", file.file), ("sha256", file.sha256)]
    if source.partial is not None:
        where = "" if source.partial.offset is None else f" at byte {source.partial.offset:,}"
        rows.append(("breaks off", f"{source.partial.file}{where}: {source.partial.error}"))
    rows += [
        ("dataset", source.dataset),
        ("time", f"{_time(report.first)} to {_time(report.last)} (ts_recv)"),
        ("records", f"{report.records:,} MBO in {report.events:,} events"),
        ("engine", f"{report.engine}, held to {report.rebuilt_by}"),
    ]
    if source.instrument_ids is not None:
        rows.append(("only", "instrument " + ", ".join(map(str, source.instrument_ids))))
    for name, value in rows:
        table.add_row(_styled(name, "dim"), value)
    return table


def _books(books: list[AuditedBook]) -> "Table":
    table = _table()
    for name in ("BOOK", "records", "events", "orders", "levels", "state", "top", "checksum"):
        table.add_column(
            name, justify="right" if name in {"records", "events", "orders", "levels"} else "left"
        )
    several = len({book.publisher_id for book in books}) > 1
    for book in sorted(books, key=lambda book: -book.records)[:_BOOKS_SHOWN]:
        state = "suspect" if book.suspect else "complete" if book.complete else "incomplete"
        top = book.top + (f", {book.phase}" if book.phase else "")
        table.add_row(
            (book.symbol or str(book.instrument_id)) + (f" at {book.publisher_id}" if several else ""),
            f"{book.records:,}",
            f"{book.events:,}",
            f"{book.orders:,}",
            f"{book.levels:,}",
            _styled(state, "green" if book.trusted else "yellow"),
            top,
            f"{book.checksum:08x}",
        )
    if len(books) > _BOOKS_SHOWN:
        table.add_row(_styled(f"and {len(books) - _BOOKS_SHOWN:,} more", "dim"))
    return table


def _rules(rules: list[Rule]) -> "Table":
    table = _table(expand=True)
    table.add_column("")
    table.add_column("HARD RULES", ratio=1)
    table.add_column("checks", justify="right")
    table.add_column("violations", justify="right")
    for rule in rules:
        lines = [
            (rule.title, "bold" if rule.holds else _BAD),
            (f"{rule.what} Checked: {rule.how}.", "dim"),
            *((_violation(each), "red") for each in rule.examples),
        ]
        table.add_row(
            _styled("✔" if rule.holds else "✘", _GOOD if rule.holds else _BAD),
            _lines(lines),
            f"{rule.checks:,}",
            _styled(f"{rule.violations:,}", "" if rule.holds else _BAD),
        )
    return table


def _observations(report: AuditReport) -> Iterator["RenderableType"]:
    from rich.padding import Padding
    from rich.table import Table

    yield _styled("WHAT THE VENUE DID", "bold")
    for each in report.observations:
        if not _worth_telling(each):
            continue
        share = "" if each.share is None else f"  {each.share:>7.2%}"
        heading = Table.grid(expand=True)
        heading.add_column(ratio=1)
        heading.add_column(justify="right", no_wrap=True)
        heading.add_row(_styled(each.title, "bold"), f"{each.count:,} of {each.total:,} {each.of}{share}")
        yield heading
        lines = [(each.what, "dim"), *((line, "") for line in _details(each))]
        yield Padding(_lines(lines), (0, 0, 0, _INDENT))


def _worth_telling(observation: Observation) -> bool:
    return observation.count > 0 or (observation.id == "fills_at_front" and observation.total > 0)


def _details(observation: Observation) -> Iterator[str]:
    if observation.first is not None:
        yield f"first {_time(observation.first)}, last {_time(observation.last)}"
    parts = [
        f"{_words(part.name)}: {part.count:,}" + ("" if part.share is None else f" ({part.share:.2%})")
        for part in observation.parts
        if part.count
    ]
    measures = [
        _measure(name, value) for name, value in observation.measures.items() if value not in (0, "0")
    ]
    for told in (parts, measures):
        if told:
            yield "; ".join(told)
    for example in observation.examples[:_EXAMPLES_SHOWN]:
        yield f"e.g. {_example(example)}"


def _measure(name: str, value: int | str) -> str:
    if name.endswith("_ns"):
        return f"{_words(name.removesuffix('_ns'))}: {int(value) / _NS:,.3f} s"
    return f"{_words(name)}: {value:,}" if isinstance(value, int) else f"{_words(name)}: {value}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _example(example: Example) -> str:
    match example:
        case RecordExample():
            told = f"{example.action} {example.side} {example.size} @ {example.price}"
            return f"record {example.at.record:,}: {told}, order {example.order_id}"
        case IntervalExample():
            return _interval(example)
        case TradeExample():
            told = f"T {example.side} {example.size} @ {example.price}"
            filled, front = _orders(example.filled), _orders(example.front)
            return f"record {example.at.record:,}: {told}, fills of {filled}; in front {front}"
        case OrderExample():
            told = f"{example.side} {example.size} @ {example.price}"
            return f"order {example.order_id}: {told}, since {example.iso}"


def _interval(interval: IntervalExample) -> str:
    told = f"from record {interval.first.record:,}, bid {interval.bid} ask {interval.ask}, "
    told += f"{interval.event_ends:,} event ends, {interval.trades_inside:,} trades"
    if interval.phase is not None:
        return f"{told}, phase {interval.phase}"
    before, after = interval.trade_before, interval.trade_after
    told += f"; last trade before {_time(before.at) if before else 'none'}"
    return told + f", next {_time(after.at) if after else 'none'}"


def _orders(orders: list[str]) -> str:
    shown = ", ".join(orders[:3])
    return shown + (f" and {len(orders) - 3} more" if len(orders) > 3 else "") if orders else "none"


def _violation(violation: Violation) -> str:
    where = "at the end" if violation.at is None else f"after record {violation.at.record:,}"
    book = (
        ""
        if violation.instrument_id is None
        else f", book {violation.publisher_id}/{violation.instrument_id}"
    )
    return f"{where}{book}: {violation.what}"


def _time(moment: Moment | None) -> str:
    if moment is None:
        return "-"
    return moment.iso or moment.ts_recv


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _table(columns: int = 0, *, expand: bool = False) -> "Table":
    """A table without lines; with a heading unless the number of its columns is given."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_header=not columns, expand=expand)
    for _ in range(columns):
        table.add_column()
    return table


def _styled(text: str, style: str) -> "Text":
    from rich.text import Text

    return Text(text, style=style)


def _lines(lines: list[tuple[str, str]]) -> "Text":
    from rich.text import Text

    text = Text()
    for number, (line, style) in enumerate(lines):
        text.append("\n" if number else "")
        text.append(line, style=style)
    return text
