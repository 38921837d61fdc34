"""Random numbers that are the same everywhere, for ever: SplitMix64 of a counter, and tables.

A simulation must give the same bytes on every Python, numpy and processor, and a checkpoint of it must be
small. So no library's generator or distribution is used: their streams may change between versions. The n-th
number of a stream is a fixed mix of its key and n, and all there is to save is n. Distributions are tables,
looked up with integers; their logarithms are `decimal`'s, which are correctly rounded everywhere.
Source of the mix: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

import decimal
from functools import lru_cache
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GAP_BITS",
    "GAP_CELLS",
    "Stream",
    "exponential_gaps",
    "mix_block",
    "power_law",
    "threshold",
    "weighted",
]

Words = NDArray[np.uint64]
Table = NDArray[np.int64]

GAMMA: Final = 0x9E3779B97F4A7C15
MASK: Final = 2**64 - 1
TABLE_SIZE: Final = 1 << 16
"""Tables are looked up with 16 random bits."""
GAP_BITS: Final = 20
"""`exponential_gaps` are in units of 2**-20 of the average."""
GAP_CELLS: Final = 1024


def mix(value: int) -> int:
    """SplitMix64's finaliser: 64 bits in, 64 well-mixed bits out."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def mix_block(key: int, start: int, count: int) -> Words:
    """Numbers ``start`` to ``start + count`` of the stream of ``key``."""
    value = np.arange(start + 1, start + count + 1, dtype=np.uint64) * np.uint64(GAMMA) + np.uint64(key)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class Stream:
    """One number at a time, for what is drawn rarely.

    Args:
        seed: the exchange's seed.
        name: which stream; different names are independent.
        position: how many numbers were drawn before.
    """

    __slots__ = ("key", "position")

    def __init__(self, seed: int, name: int, position: int = 0) -> None:
        self.key = mix(mix(seed) + name * GAMMA & MASK)
        self.position = position

    def bits(self) -> int:
        """The next 64 bits."""
        self.position += 1
        return mix((self.key + self.position * GAMMA) & MASK)

    def below(self, bound: int) -> int:
        """An integer from 0 up to, not including, ``bound`` (at most 2**32; uneven by less than 2**-32)."""
        return (self.bits() >> 32) * bound >> 32


def threshold(share: float) -> int:
    """The bound that 16 random bits are below with probability ``share``."""
    return round(share * TABLE_SIZE)


@lru_cache(maxsize=64)
def power_law(exponent: float, count: int) -> Table:
    """A table of 0 to ``count - 1``, where k is drawn in proportion to ``(1 + k) ** -exponent``."""
    context = decimal.Context(prec=28)
    power = decimal.Decimal(str(exponent))
    return weighted(
        tuple(context.exp(-power * context.ln(decimal.Decimal(1 + k))) for k in range(count)),
    )


@lru_cache(maxsize=64)
def weighted(weights: tuple[decimal.Decimal, ...]) -> Table:
    """A table of 0 to ``len(weights) - 1``, where k is drawn in proportion to ``weights[k]``."""
    sums = list(accumulate(weights))
    ends = [int(part / sums[-1] * TABLE_SIZE) for part in sums]
    ends[-1] = TABLE_SIZE
    return np.repeat(np.arange(len(ends)), np.diff(np.array([0, *ends]))).astype(np.int64)


@lru_cache(maxsize=1)
def exponential_gaps() -> Table:
    """-ln(u) at u = 1/1024 steps, to be interpolated: waiting times of average length about one."""
    context = decimal.Context(prec=28)
    steps = [decimal.Decimal(step or "0.25") / GAP_CELLS for step in range(GAP_CELLS + 1)]
    return np.array([int(-context.ln(step) * (1 << GAP_BITS)) for step in steps], dtype=np.int64)
