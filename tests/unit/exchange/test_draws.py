"""The random numbers: the published generator, the same singly and in blocks; tables of the right shape."""

from decimal import Decimal

import numpy as np
import pytest

from depthcast.exchange.draws import GAP_BITS, Stream, exponential_gaps, mix_block, power_law, weighted


def test_the_generator_is_splitmix64() -> None:
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert mix_block(1234567, 0, 5).tolist() == published


def test_one_by_one_and_in_blocks_are_the_same_numbers() -> None:
    stream = Stream(7, 3)
    assert [stream.bits() for _ in range(10)] == mix_block(stream.key, 0, 10).tolist()
    assert Stream(7, 3, position=9).bits() == mix_block(stream.key, 9, 1)[0]


def test_streams_of_a_seed_differ() -> None:
    firsts = {Stream(seed, name).bits() for seed in range(20) for name in range(20)}
    assert len(firsts) == 400


def test_below_stays_below() -> None:
    stream = Stream(1, 1)
    values = [stream.below(7) for _ in range(2_000)]
    assert set(values) == set(range(7))


@pytest.mark.parametrize("exponent", [0, 0.7, 2.0])
def test_a_power_law_is_drawn_in_proportion(exponent: float) -> None:
    table = power_law(exponent, 20)
    shares = np.bincount(table, minlength=20) / len(table)
    expected = (1 + np.arange(20.0)) ** -exponent
    assert np.allclose(shares, expected / expected.sum(), atol=2 / len(table))


def test_a_table_holds_every_draw() -> None:
    table = weighted((Decimal(1), Decimal("0.000001"), Decimal(3)))
    assert len(table) == 1 << 16
    assert np.allclose(np.bincount(table), [1 << 14, 0, 3 << 14], atol=1)


def test_gaps_are_exponential() -> None:
    gaps = exponential_gaps() / (1 << GAP_BITS)
    assert np.allclose(gaps[1:], -np.log(np.arange(1, 1025) / 1024), atol=1e-5)
    assert 0.99 < np.mean((gaps[1:] + gaps[:-1]) / 2) < 1.01
