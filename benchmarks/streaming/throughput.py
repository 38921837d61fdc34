"""As fast as it goes: records a second from a file to the engine of whoever receives."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks.measure import spread_of, take_turns
from benchmarks.results import Spread
from benchmarks.streaming.inputs import FOLDER, Input
from benchmarks.streaming.processes import FeedProcess, Receiver, Sender
from benchmarks.streaming.results import Throughput, Workload
from benchmarks.streaming.tasks import Kind, Received, ReceiveTask

__all__ = ["FLOOR", "Way", "measured", "ways_of"]

FLOOR: Final = "floor: blocking sockets, no feed"


class Way(NamedTuple):
    """One way to stream a file."""

    name: str
    kind: Kind
    records: int
    sessions: int = 1
    journal: bool = False

    def run(self, source: Path) -> list[Received]:
        """Stream once; what each receiving process got."""
        with ExitStack() as stack:
            sender: Sender | FeedProcess
            if self.kind == "floor":
                sender = stack.enter_context(Sender(source))
            else:
                folder = stack.enter_context(TemporaryDirectory(prefix="journal-", dir=FOLDER))
                journal = Path(folder) if self.journal else None
                sender = FeedProcess(source, ["--max"], wait=self.sessions, journal=journal)
                stack.enter_context(sender)
            task = ReceiveTask(kind=self.kind, port=sender.port, records=self.records)
            receivers = [stack.enter_context(Receiver(task)) for _ in range(self.sessions)]
            return [receiver.received() for receiver in receivers]


def ways_of(source: Input, *, quick: bool) -> list[Way]:
    """All ways that are measured with a file."""
    ways = [
        Way(FLOOR, "floor", source.records),
        Way("depthcast", "subscriber", source.records),
        Way("depthcast, journal on", "subscriber", source.records, journal=True),
    ]
    if source.name != "deep":
        few = source.records // 4
        ways.append(Way("depthcast, each of 8 sessions", "subscriber", few, sessions=8))
        ways.append(Way("official client", "official", 200_000 if quick else 1_000_000))
    return ways


def measured(source: Input, ways: list[Way], rounds: int, say: Callable[[str], None]) -> Workload:
    """Stream a file in all these ways, in turns."""
    books: dict[str, set[str | None]] = {way.name: set() for way in ways}

    def task(way: Way) -> Callable[[], float]:
        def stream() -> float:
            say(f"{source.name}: {way.name}")
            received = way.run(source.path)
            books[way.name].update(each.book for each in received)
            return min(session.per_second for each in received for session in each.sessions)

        return stream

    found = take_turns({way.name: task(way) for way in ways}, rounds)
    rows = [
        Throughput(
            name=way.name,
            sessions=way.sessions,
            records=way.records,
            per_second=spread_of(found[way.name]),
            of_floor=None if way.name == FLOOR else _ratio(found[way.name], found[FLOOR]),
            same_book=_same(books[way.name], books[FLOOR]) if way.records == source.records else None,
        )
        for way in ways
    ]
    return Workload(source.name, source.about, rounds, rows)


def _ratio(values: list[float], floor: list[float]) -> Spread:
    return spread_of([value / least for value, least in zip(values, floor, strict=True)])


def _same(books: set[str | None], floor: set[str | None]) -> bool:
    return len(books) == 1 and books == floor and None not in books
