"""Runs of snapshot records, as the reference keeps them (docs/book.md § Snapshots that come in)."""

from depthcast.book.reference_book import ReferenceBook
from depthcast.book.reference_records import LAST, MBP, SNAPSHOT, MboRecord


def has_its_clear(book: ReferenceBook, ts_recv: int) -> bool:
    """Whether a snapshot record of that ts_recv would go on with a run that has had its clear."""
    return book.cleared and book.run_closed_at in {None, ts_recv}


def same_run(one: ReferenceBook, two: ReferenceBook, record: MboRecord) -> bool:
    """Whether what two books know of the present run comes to the same, at this next record and later."""
    if not record.flags & SNAPSHOT:
        return True
    valid = one._fault(record) is None and not record.flags & MBP
    if valid and record.action == b"R":
        return True
    if valid and record.action in {b"A", b"C", b"M"}:
        return has_its_clear(one, record.ts_recv) == has_its_clear(two, record.ts_recv)
    if record.flags & LAST:
        return one.cleared == two.cleared
    return (one.cleared, one.run_closed_at) == (two.cleared, two.run_closed_at)
