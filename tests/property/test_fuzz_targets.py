"""The fuzz programs' targets on their seeds and a few changed ones: the same checks where no fuzzer runs."""

import random
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.binary(max_size=300))
def test_any_bytes_to_the_reader(data: bytes) -> None:
    fuzz_dbn_reader.one_input(data)


@given(st.binary(max_size=400))
def test_any_bytes_to_the_engine(data: bytes) -> None:
    fuzz_engine_apply.one_input(data)
