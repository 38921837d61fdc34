"""Values that were used last, up to a number and a weight."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Recent"]

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The most recently used of some values. Any thread.

    Args:
        most: how many there may be.
        weight: what they may weigh together. A value that is heavier by itself is not kept, and drives no
            other out.
    """

    def __init__(self, most: int, weight: int = 0) -> None:
        self._most = most
        self._weight = weight
        self._lock = Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._total = 0

    def get(self, key: K) -> V | None:
        """The value of a key; None if it is not kept (any more)."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V, weight: int = 0) -> None:
        """Keep a value, in the place of an earlier one of its key."""
        with self._lock:
            self._total -= self._values.pop(key, (None, 0))[1]
            if weight > self._weight:
                return
            self._values[key] = (value, weight)
            self._total += weight
            while len(self._values) > self._most or self._total > self._weight:
                _, (_, dropped) = self._values.popitem(last=False)
                self._total -= dropped
