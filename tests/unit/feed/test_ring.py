"""The ring: what it keeps, what it lets go, and that a gate's thread sees every batch."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.feed.ring import Gate, Ring


def fill(ring: Ring, sizes: list[int]) -> None:
    for size in sizes:
        ring.append(bytes(size), 1, 0)


def test_a_new_ring_is_empty_and_begins_at_its_position() -> None:
    ring = Ring(100, position=7)
    assert (ring.head, ring.tail, ring.position, ring.held_bytes) == (0, 0, 7, 0)
    assert ring.get(0) is None
    batch = ring.append(b"abc", 2, due_ns=5, advance_ns=9)
    assert (batch.index, batch.position, batch.count, batch.due_ns, batch.advance_ns) == (0, 7, 2, 5, 9)
    assert ring.get(0) is batch
    assert ring.position == 9


def test_the_oldest_batches_are_let_go_for_the_newest() -> None:
    ring = Ring(100)
    fill(ring, [40, 40, 40])
    assert (ring.tail, ring.head) == (1, 3)
    assert ring.get(0) is None
    assert ring.get(1) is not None
    assert ring.held_bytes == 80


def test_a_batch_that_a_gate_needs_is_kept_and_there_is_no_room() -> None:
    ring = Ring(100)
    gate = ring.gate()
    fill(ring, [40, 40])
    assert ring.room(20)
    assert not ring.room(21)
    gate.index = 1
    assert ring.room(60)
    fill(ring, [60])
    assert ring.tail == 1
    gate.index = 3
    assert ring.room(10**9), "a batch greater than the ring goes through an empty one"


def test_there_is_no_room_for_more_batches_than_slots() -> None:
    ring = Ring(100, max_batches=4)
    gate = ring.gate()
    fill(ring, [0, 0, 0])
    assert ring.room(0)
    fill(ring, [0])
    assert not ring.room(0)
    gate.index = 1
    assert ring.room(0)
    fill(ring, [0])
    assert [batch.index for index in range(1, 5) if (batch := ring.get(index))] == [1, 2, 3, 4]


def test_what_was_derived_counts_and_goes_with_its_batch() -> None:
    ring = Ring(100)
    batch = ring.append(bytes(40), 1, 0)
    batch.derived = {"mbp-10": bytes(50)}
    ring.derived_in += 50
    assert ring.held_bytes == 90
    fill(ring, [40])
    assert ring.tail == 1
    assert ring.held_bytes == 40


def test_the_number_of_slots_is_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Ring(100, max_batches=3)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=60))
def test_a_gate_never_loses_a_batch_and_bytes_stay_bounded(steps: list[tuple[int, int]]) -> None:
    ring = Ring(100, max_batches=8)
    gate = ring.gate()
    sizes: list[int] = []
    for size, consumed in steps:
        if ring.room(size):
            ring.append(bytes(size), 1, 0)
            sizes.append(size)
        assert all(ring.get(index) is not None for index in range(gate.index, ring.head))
        assert all(ring.get(index) is None for index in range(ring.tail))
        assert ring.held_bytes == sum(sizes[ring.tail :])
        assert ring.pending_bytes(gate.index) == sum(sizes[gate.index :])
        assert ring.held_bytes <= 100 or ring.head - ring.tail == 1
        gate.index = min(ring.head, gate.index + consumed)


def test_a_sleeping_gate_is_woken_by_the_next_batch() -> None:
    ring = Ring(1 << 20)
    gate = ring.gate()
    seen: list[int] = []

    def follow(gate: Gate) -> None:
        while gate.index < 3:
            head = gate.wait(0.0001)
            while gate.index < head:
                seen.append(gate.index)
                gate.index += 1

    thread = threading.Thread(target=follow, args=(gate,))
    thread.start()
    for _ in range(3):
        deadline = time.monotonic() + 5
        while not gate.asleep and time.monotonic() < deadline:
            time.sleep(0.001)
        assert gate.asleep
        ring.append(b"x", 1, 0)
        while gate.index < ring.head and time.monotonic() < deadline:
            time.sleep(0.001)
    thread.join(5)
    assert seen == [0, 1, 2]
