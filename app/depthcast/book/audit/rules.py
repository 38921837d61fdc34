"""The hard rules of an audit, and the count of how often each was checked and broken."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from depthcast.book.audit.records import EXAMPLES_MAX, Place, moment
from depthcast.book.audit.report import Rule, Violation
from depthcast.book.types import BookKey


@dataclass(slots=True)
class RuleTally:
    """How often a rule was checked, and what broke it."""

    checks: int = 0
    violations: int = 0
    examples: list[Violation] = field(default_factory=list)


class RuleText(NamedTuple):
    """A hard rule: the invariant of docs/book.md that it is (part of), its title, and what it says."""

    invariant: int | None
    title: str
    what: str


RULES: Final = {
    "counted": RuleText(
        None,
        "Every record is accounted for",
        "Records, events and flags counted in the file are those the engine counted, and each record was "
        "applied by its action or ignored under a counter.",
    ),
    "levels": RuleText(
        1,
        "A level is the sum of its orders",
        "A level exists if and only if it holds an order (or is a top-of-book level); its size is the sum of "
        "its orders' sizes, its count their number.",
    ),
    "orders": RuleText(
        2,
        "An order is in one queue",
        "Every order is in exactly one queue, at its own side and price, with a size above 0.",
    ),
    "prices": RuleText(
        3,
        "Levels run from the touch",
        "Bids strictly descend, asks strictly ascend, and every level is reached from the best one.",
    ),
    "priority": RuleText(
        4,
        "Queues are in priority order",
        "Orders that no record of an event named keep their place, size and time, and added orders stand "
        "behind them; a snapshot lists every queue in that order.",
    ),
    "volume": RuleText(
        5,
        "Volume is conserved",
        "On each side, what was added and grown is what rests and what was removed.",
    ),
    "chunking": RuleText(
        6,
        "Chunks do not matter",
        "Applied record by record and in large chunks, the books, their state and all counters are equal.",
    ),
    "snapshots": RuleText(
        6,
        "Restarts do not matter",
        "An engine that is replaced again and again by a fresh one filled from its snapshot, inside events "
        "too, holds the same books as one that never stopped.",
    ),
    "engines": RuleText(
        6,
        "Engines agree",
        "A second implementation of the rules gives equal books, state and counters.",
    ),
    "structures": RuleText(
        None,
        "Structures are sound",
        "The engine's own walk over everything it keeps finds nothing out of place.",
    ),
}


class RuleBook:
    """All rules' tallies."""

    def __init__(self) -> None:
        self.tallies = {name: RuleTally() for name in RULES}

    def check(self, rule: str, faults: list[str], at: Place | None, key: BookKey | None = None) -> None:
        """Note a check after a record (None: at the end), and the faults it found in a book (None: any)."""
        tally = self.tallies[rule]
        tally.checks += 1
        tally.violations += len(faults)
        publisher_id, instrument_id = key or (None, None)
        for fault in faults[: EXAMPLES_MAX - len(tally.examples)]:
            moment_of = None if at is None else moment(*at)
            tally.examples.append(Violation(moment_of, publisher_id, instrument_id, fault))

    def report(self, how: dict[str, str]) -> list[Rule]:
        """The rules as reported; ``how`` says of each where it was checked."""
        return [
            Rule(
                id=name,
                invariant=text.invariant,
                title=text.title,
                what=text.what,
                how=how[name],
                checks=self.tallies[name].checks,
                violations=self.tallies[name].violations,
                holds=self.tallies[name].violations == 0,
                examples=self.tallies[name].examples,
            )
            for name, text in RULES.items()
        ]
