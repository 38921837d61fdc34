"""The floor: touch every record (sum one field of each) and do nothing with it."""

from collections.abc import Callable

from benchmarks.peers import Book, Levels, Peer
from benchmarks.workloads import Records, Workload


class Touched:
    """Every record's order id, added up."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.total = 0

    def run(self) -> None:
        self.total = int(self.records["order_id"].sum())

    def levels(self) -> tuple[Levels, Levels] | None:
        return None


class Floor:
    """numpy's sum of one field, which brings each record into the cache."""

    name = "floor"
    about = "touching every record (numpy sums the order ids)"
    max_records = 100_000_000
    max_setup = 1_000_000

    def load(self, workload: Workload) -> Callable[[], Book]:
        return lambda: Touched(workload.timed)


PEERS: list[Peer] = [Floor()]
