"""What a session is sent next: its place in the feed, what it has subscribed to, what joins on the way."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from depthcast.live.connection import Buffer
from depthcast.live.feed_view import Batch, FeedView
from depthcast.live.selection import NONE, Selection
from depthcast.live.stream import CARRIED, Form, FormTable, Shape

__all__ = ["Flow", "Overrun"]

_MAX_BATCHES: Final = 256
"""In one turn, however small they are."""

Entry = Iterator[Buffer]
"""Buffers that one session alone is sent, before the next batch."""


class Overrun(Exception):  # noqa: N818 - not an error: a reader that was too slow
    """The session's next batch has left the ring."""


class Flow:
    """One session's place in the feed: every batch before ``cursor`` was given out.

    Of each batch it gives the forms of what is active. An *entry* (a snapshot, a piece of replay) is given
    out before the next batch, or when the cursor comes to a certain index; between two records, never inside.

    Attributes:
        cursor: the index of the batch that is next.
        held: how many want that no batch is given out for now; entries are.
        follows_derived: whether a batch must have been through the books before it is given out.
    """

    def __init__(self, view: FeedView, table: FormTable, *, ts_out: bool) -> None:
        self.cursor = view.head
        self.held = 0
        self._view = view
        self._table = table
        self._ts_out = ts_out
        self._active: dict[str, Selection] = {}
        self._forms: tuple[Form, ...] = ()
        self.follows_derived = False
        self._entries: deque[Entry] = deque()
        self._marks: list[tuple[int, Entry]] = []

    # -- what is active

    def active(self, schema: str) -> Selection:
        """The instruments of which this schema is given out."""
        return self._active.get(schema, NONE)

    @property
    def schemas(self) -> frozenset[str]:
        """The schemas of which something is given out."""
        return frozenset(self._active)

    @property
    def moves(self) -> bool:
        """Whether batches matter to it: something is active."""
        return bool(self._forms)

    def activate(self, schema: str, selection: Selection) -> None:
        """From the cursor on, give these too."""
        self._active[schema] = self.active(schema).union(selection)
        before = self._forms
        carried = {name: chosen for name, chosen in self._active.items() if name in CARRIED}
        shapes = [Shape.carried(carried, self._ts_out)] if carried else []
        shapes += [
            Shape.of_derived(name, chosen, self._ts_out)
            for name, chosen in self._active.items()
            if name not in CARRIED
        ]
        self._forms = tuple(map(self._table.acquire, shapes))
        self.follows_derived = len(carried) < len(self._active)
        for form in before:
            self._table.release(form)

    def form_of(self, schema: str, selection: Selection) -> Form:
        """The form of one schema alone. To be given back with `give_back`."""
        if schema in CARRIED:
            return self._table.acquire(Shape.carried({schema: selection}, self._ts_out))
        return self._table.acquire(Shape.of_derived(schema, selection, self._ts_out))

    def give_back(self, form: Form) -> None:
        self._table.release(form)

    # -- entries

    def enter(self, entry: Entry) -> None:
        """Give this out before the next batch."""
        self._entries.append(entry)

    def enter_at(self, index: int, entry: Entry) -> None:
        """Give this out when the cursor is at ``index``; at once if it is there, or beyond."""
        if index <= self.cursor and not self._marks:
            self._entries.append(entry)
        else:
            self._marks.append((index, entry))
            self._marks.sort(key=lambda mark: mark[0])

    # -- giving out

    @property
    def limit(self) -> int:
        """Where the batches end, for this session, for now."""
        return self._view.derived if self.follows_derived else self._view.head

    @property
    def idle(self) -> bool:
        """Whether everything there is was given out."""
        return not self._entries and not self._marks and self.cursor >= self.limit

    @property
    def behind(self) -> int:
        """How many batches it is behind the feed."""
        return self._view.head - self.cursor

    def jump(self) -> None:
        """Leave out the batches up to now."""
        self.cursor = max(self.cursor, self.limit)

    def turn(self, max_bytes: int) -> list[Buffer]:
        """The next buffers, of about so many bytes together: none of them empty.

        Raises:
            Overrun: the next batch has left the ring. What was collected in this turn is given out next time.
        """
        out: list[Buffer] = []
        if self._entries or self._marks:
            size = self._with_entries(out, max_bytes)
            if self._entries or self._marks or size >= max_bytes:
                return out
            max_bytes -= size
        if not self.held:
            self._batches(out, self.limit, max_bytes)
        return out

    def _batches(self, out: list[Buffer], stop: int, max_bytes: int) -> int:
        """Collect the forms of the batches before ``stop``; how much work that was, in bytes."""
        cursor = self.cursor
        if cursor >= stop:
            return 0
        forms = self._forms
        if not forms:
            self.cursor = stop
            return 0
        size = 0
        stop = min(stop, cursor + _MAX_BATCHES)
        batch_at: Callable[[int], Batch | None] = self._view.batch
        try:
            while cursor < stop and size < max_bytes:
                batch = batch_at(cursor)
                if batch is None:
                    if out:
                        break
                    raise Overrun
                given = 0
                for form in forms:
                    records = form.of(batch)
                    if records:
                        out.append(records)
                        given += len(records)
                size += max(given, len(batch.data))  # looking for records that are not there is work too
                cursor += 1
        finally:
            self.cursor = cursor
        return size

    def _with_entries(self, out: list[Buffer], max_bytes: int) -> int:
        """Collect from entries, and batches up to the next mark."""
        size = 0
        while size < max_bytes:
            while self._marks and self._marks[0][0] <= self.cursor:
                self._entries.append(self._marks.pop(0)[1])
            if self._entries:
                size += self._pull(out, max_bytes - size)
                continue
            if not self._marks or self.held:
                break
            stop = min(self.limit, self._marks[0][0])
            before = self.cursor
            size += self._batches(out, stop, max_bytes - size)
            if self.cursor == before:
                break
        return size

    def _pull(self, out: list[Buffer], max_bytes: int) -> int:
        """Collect from the first entry; it goes when it has no more."""
        size = 0
        entry = self._entries[0]
        for buffer in entry:
            out.append(buffer)
            size += len(buffer)
            if size >= max_bytes:
                return size
        self._entries.popleft()
        return size

    def close(self) -> None:
        """Give back what it holds."""
        for form in self._forms:
            self._table.release(form)
        self._forms = ()
        self._active.clear()
        self._entries.clear()
        self._marks.clear()
