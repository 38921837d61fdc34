"""Audits of hand-made records, and engines that break one rule each."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from depthcast.book.audit import EngineChoice, audit
from depthcast.book.audit.report import AuditedSource, AuditReport, Observation
from depthcast.book.engine import Engine
from depthcast.book.protocol import BookEngine
from depthcast.book.reference import ReferenceEngine

SOURCE: Final = AuditedSource(dataset="TEST", files=[], partial=None, instrument_ids=None)


class Records:
    """Records in memory as a source; a chunk holds so many of them."""

    def __init__(self, records: Iterable[bytes], chunk: int = 1_000) -> None:
        self.records = list(records)
        self.chunk = chunk

    def read(self) -> Iterator[memoryview]:
        for at in range(0, len(self.records), self.chunk):
            yield memoryview(b"".join(self.records[at : at + self.chunk]))

    def describe(self) -> AuditedSource:
        return SOURCE

    def symbols(self) -> dict[int, str]:
        return {7: "TEST"}


def audited(
    *records: bytes,
    engine: Callable[[], Any] = Engine,
    other: Callable[[], Any] = ReferenceEngine,
    chunk: int = 1_000,
    instrument_ids: set[int] | None = None,
) -> AuditReport:
    """The report on some records."""
    choices = EngineChoice("one", engine), EngineChoice("two", other)
    return audit(Records(records, chunk), *choices, instrument_ids=instrument_ids)


def observation(report: AuditReport, name: str) -> Observation:
    """One of a report's observations."""
    return next(each for each in report.observations if each.id == name)


def seen(report: AuditReport) -> dict[str, int]:
    """What was observed at all, and how often."""
    return {each.id: each.count for each in report.observations if each.count}


def parts(found: Observation) -> dict[str, int]:
    """An observation's parts that are not empty."""
    return {part.name: part.count for part in found.parts if part.count}


def broken(report: AuditReport) -> set[str]:
    """The hard rules that do not hold."""
    assert report.valid == all(rule.holds for rule in report.rules)
    for rule in report.rules:
        assert rule.holds == (rule.violations == 0) == (not rule.examples)
    return {rule.id for rule in report.rules if not rule.holds}


def faults(report: AuditReport, rule: str) -> list[str]:
    """What is said to break a rule."""
    return [each.what for found in report.rules if found.id == rule for each in found.examples]


def without_hows(report: AuditReport) -> Any:
    """A report to compare with one of other chunks."""
    return msgspec.to_builtins(report)


class Wrapped:
    """An engine in whose place a test puts one that errs: all but what is overridden goes to a real one."""

    def __init__(self) -> None:
        self.real: BookEngine = Engine()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
