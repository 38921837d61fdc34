"""Where records begin and end, found in bulk, against a plain walk."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.dbn.framing import Framing, frame, record_starts, why_broken
from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD, RType
from tests.support.records import add, other, status


def walk(data: bytes) -> tuple[Framing, list[int]]:
    """The plain way: a record at a time."""
    at = 0
    starts: list[int] = []
    while at + 1 < len(data):
        broken = why_broken(data[at], data[at + 1])
        if broken is not None:
            return Framing(at, broken), starts
        if at + data[at] * LENGTH_WORD > len(data):
            break
        starts.append(at)
        at += data[at] * LENGTH_WORD
    return Framing(at, None), starts


def check(data: bytes) -> Framing:
    expected, starts = walk(data)
    array = np.frombuffer(data, dtype=np.uint8)
    found = frame(array, 0, len(data))
    assert found.end == expected.end
    # A lone first byte of a record may already show that it is broken.
    assert found.broken == expected.broken or found.end + 1 == len(data)
    assert record_starts(array, 0, found.end).tolist() == starts
    return found


def mixture(seed: int, count: int, odd_share: float) -> bytes:
    """Many MBO records with others among them."""
    draw = random.Random(seed)
    kinds = [status(1), other(RType.INSTRUMENT_DEF, 520), other(RType.MBP_1, 80), other(0x99, 1020)]
    mbo = add(1, "B", 1, 1)
    return b"".join(draw.choice(kinds) if draw.random() < odd_share else mbo for _ in range(count))


@pytest.mark.parametrize("odd_share", [0, 0.0003, 0.01, 0.3, 1])
def test_bulk_and_walk_agree_on_long_mixtures(odd_share: float) -> None:
    for seed in range(5):
        data = mixture(seed, 5_000, odd_share)
        assert check(data) == Framing(len(data), None)
        cut = random.Random(seed).randrange(len(data))
        check(data[:cut])


@given(st.integers(0, 2**32), st.sampled_from([0, 0.001, 0.05, 0.5]), st.data())
def test_bulk_and_walk_agree_on_a_broken_byte(seed: int, odd_share: float, draw: st.DataObject) -> None:
    data = bytearray(mixture(seed, 700, odd_share))
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    check(bytes(data))


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=40))
def test_bulk_and_walk_agree_on_any_heads(heads: list[tuple[int, int]]) -> None:
    check(b"".join(bytes(head).ljust(max(1, head[0]) * LENGTH_WORD, b"\0") for head in heads))


@pytest.mark.parametrize("words", [0, 1, 2, 3])
def test_a_length_below_the_header_is_broken(words: int) -> None:
    good = add(1, "B", 1, 1)
    found = check(good * 3 + bytes([words, 0x01]) + bytes(60))
    assert found.end == 3 * len(good)
    assert found.broken == f"a record of {words * 4} bytes, less than its {HEADER_SIZE}-byte header"


def test_an_mbo_record_of_another_length_is_broken() -> None:
    for words in sorted(set(range(4, 256)) - {14, 16}):
        found = check(add(1, "B", 1, 1) + bytes([words, RType.MBO]) + bytes(1018))
        assert found.end == 56
        assert found.broken is not None
        assert f"an MBO record of {words * 4} bytes" in found.broken


def test_a_stale_byte_after_the_end_is_not_read() -> None:
    data = np.frombuffer(add(1, "B", 1, 1) + bytes([20, RType.MBO]) + bytes(78), dtype=np.uint8)
    assert frame(data, 0, 57) == Framing(56, None)
    assert frame(data, 0, 58).broken is not None


def test_no_bytes_have_no_records() -> None:
    data = np.empty(0, dtype=np.uint8)
    assert frame(data, 0, 0) == Framing(0, None)
    assert len(record_starts(data, 0, 0)) == 0
