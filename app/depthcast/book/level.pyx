# cython: language_level=3
"""Level and Depth: value objects cheap enough to make twenty of in a microsecond."""

cimport cython


@cython.final
@cython.freelist(256)
cdef class Level:
    """One price on one side. It compares and unpacks like the tuple ``(price, size, count)``."""

    __match_args__ = ("price", "size", "count")

    def __init__(self, int64_t price, uint64_t size, uint64_t count):
        self.price = price
        self.size = size
        self.count = count

    def _tuple(self):
        return (self.price, self.size, self.count)

    def __iter__(self):
        return iter(self._tuple())

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self._tuple()[index]

    def __eq__(self, other):
        if isinstance(other, Level):
            return self._tuple() == (<Level>other)._tuple()
        if isinstance(other, tuple):
            return self._tuple() == other
        return NotImplemented

    def __hash__(self):
        return hash(self._tuple())

    def __repr__(self):
        return f"Level(price={self.price}, size={self.size}, count={self.count})"

    def __reduce__(self):
        return (Level, self._tuple())


cdef Level new_level(int64_t price, uint64_t size, uint64_t count):
    cdef Level level = Level.__new__(Level)
    level.price = price
    level.size = size
    level.count = count
    return level


@cython.final
@cython.freelist(64)
cdef class Depth:
    """The first levels of both sides, best first: ``bids`` and ``asks`` are lists of `Level`."""

    __match_args__ = ("bids", "asks")

    def __init__(self, list bids, list asks):
        self.bids = bids
        self.asks = asks

    def __iter__(self):
        return iter((self.bids, self.asks))

    def __eq__(self, other):
        if isinstance(other, Depth):
            return self.bids == (<Depth>other).bids and self.asks == (<Depth>other).asks
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        return f"Depth(bids={self.bids}, asks={self.asks})"

    def __reduce__(self):
        return (Depth, (self.bids, self.asks))


cdef Depth new_depth(list bids, list asks):
    cdef Depth depth = Depth.__new__(Depth)
    depth.bids = bids
    depth.asks = asks
    return depth
