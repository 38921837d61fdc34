"""The fuzz programs' targets on their seeds and a few changed ones: the same checks where no fuzzer runs."""

import random
import sys
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.book.engine import Engine
from depthcast.errors import RecordError
from fuzz import driver, fuzz_dbn_reader, fuzz_engine_apply

TARGETS = [fuzz_dbn_reader, fuzz_engine_apply]


def name(target: ModuleType) -> str:
    return target.__name__.rpartition(".")[2]


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_every_seed(target: ModuleType) -> None:
    seeds = target.seeds()
    assert len(seeds) == len(set(seeds))
    for seed in seeds:
        assert len(seed) <= driver.MAX_INPUT_BYTES
        target.one_input(seed)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_changed_seeds(target: ModuleType) -> None:
    draw = random.Random(20251122)
    seeds = target.seeds()
    for _ in range(1500):
        target.one_input(driver.changed(draw, seeds))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("ff0002 28b52ffd 2000 000000 030000 5a", id="an empty RLE block in an empty frame"),
        pytest.param("9f0004 28b52ffd 8025 04000002 000000 010000", id="a frame of no bytes, not 32 MiB"),
        pytest.param("030000 28b52ffd 2400 050000 99e9d851", id="a compressed block of no bytes"),
    ],
)
def test_inputs_that_zstd_judges_by_how_it_is_given_them(data: str) -> None:
    fuzz_dbn_reader.one_input(bytes.fromhex(data))


@given(st.binary(max_size=300))
def test_any_bytes_to_the_reader(data: bytes) -> None:
    fuzz_dbn_reader.one_input(data)


@given(st.binary(max_size=400))
def test_any_bytes_to_the_engine(data: bytes) -> None:
    fuzz_engine_apply.one_input(data)


def test_the_first_and_every_nth_input_get_all_checks() -> None:
    full: list[bytes] = []
    fewer: list[bytes] = []
    target = driver.every_nth(3, full.append, fewer.append)
    for n in range(7):
        target(bytes([n]))
    assert full == [b"\0", b"\3", b"\6"]
    assert fewer == [b"\1", b"\2", b"\4", b"\5"]


def test_a_file_gets_all_checks_whoever_is_to_be_spared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        file.write_text(file.name)
    monkeypatch.setattr(sys, "argv", ["fuzz_it.py", "--compare-every=1000", *map(str, files)])
    full: list[bytes] = []
    fewer: list[bytes] = []
    driver.run(full.append, [], fewer.append)
    assert full == [b"one", b"two"]
    assert fewer == []


class WrongEngine:
    """The engine, for one wrong answer each."""

    def __init__(self, **limits: int) -> None:
        self.engine = Engine(**limits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


class Unsound(WrongEngine):
    def verify(self) -> list[str]:
        return ["a queue is longer than its level's count"]


class Panics(WrongEngine):
    def apply(self, records: bytes) -> int:
        if len(records) > 200:
            raise IndexError
        return self.engine.apply(records)


class ForgetsAtTheEndOfACall(WrongEngine):
    def apply(self, records: bytes) -> int:
        applied = self.engine.apply(records)
        self.engine.mark_suspect()
        return applied


class SkipsTheFirstOfACall(WrongEngine):
    def apply(self, records: bytes) -> int:
        return self.engine.apply(records[records[0] * 4 :] if records else b"")


class CutsInsideEvents(WrongEngine):
    def boundary(self, records: bytes) -> int:
        self.engine.boundary(records)
        return len(records)


class SnapshotLacksAnOrder(WrongEngine):
    def snapshot(self) -> bytes:
        return self.engine.snapshot()[:-56]


@pytest.mark.parametrize("wrong", WrongEngine.__subclasses__())
def test_quick_checks_find_a_wrong_engine(wrong: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_engine_apply, "Engine", wrong)
    with pytest.raises((AssertionError, IndexError, RecordError)):
        deque(map(fuzz_engine_apply.quick, fuzz_engine_apply.seeds()))
