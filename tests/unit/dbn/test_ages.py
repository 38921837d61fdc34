"""Ages: percentiles within their bucket, of which records, and what is refused."""

import numpy as np
import pytest

from depthcast.dbn.ages import Ages
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import RecordError
from tests.support.records import SNAPSHOT, add, other, status

LONGEST = 2**44 - 1


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_percentiles_are_within_their_bucket(share: float) -> None:
    ages = Ages()
    values = (np.random.default_rng(1).lognormal(12, 3, 20_000)).astype(np.int64) + 1
    for value in values:
        ages.add(int(value))
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    assert exact <= ages.percentile(share) <= exact * 1.032 + 1
    assert ages.longest == values.max()
    assert ages.total == values.sum()


@pytest.mark.parametrize("duration", [1, 2, 31, 32, 33, 63, 64, 65, 1000, 2**20 - 1, 2**20, LONGEST])
def test_every_duration_is_in_a_bucket_that_ends_at_it_or_just_beyond(duration: int) -> None:
    ages = Ages()
    ages.add(duration)
    assert ages.at_most(duration) == 1
    assert ages.at_most(duration - duration // 32 - 1) == 0
    ages.add(LONGEST)
    assert duration <= ages.percentile(0.5) <= duration + duration // 32


def test_nothing_has_no_percentiles() -> None:
    ages = Ages()
    assert (ages.count, ages.longest, ages.total, ages.percentile(0.5), ages.at_most(10**9)) == (
        0,
        0,
        0,
        0,
        0,
    )
    with pytest.raises(ValueError, match="from 0 to 1"):
        ages.percentile(1.5)


def test_what_is_out_of_range_counts_as_its_end() -> None:
    ages = Ages()
    ages.add(-5)
    ages.add(0)
    ages.add(2**62, 3)
    assert (ages.count, ages.percentile(0.4), ages.longest) == (5, 1, LONGEST)
    assert ages.at_most(2**62) == 5


def test_ts_out_is_of_every_record() -> None:
    records = add(1, "B", 1, 1, ts_out=900) * 3 + add(1, "B", 1, 1, ts_out=400)
    ages = Ages()
    ages.add_ts_out(records, 1000)
    assert (ages.count, ages.total, ages.longest) == (4, 3 * 100 + 600, 600)


def test_ts_recv_is_of_live_mbo_records_that_have_one() -> None:
    records = (
        add(1, "B", 1, 1, ts_recv=900)
        + add(1, "B", 1, 1, SNAPSHOT, ts_recv=900)
        + add(1, "B", 1, 1, ts_recv=UNDEF_TIMESTAMP)
        + status(7)
        + other(0x17)
        + add(1, "B", 1, 1, ts_recv=800, ts_out=5)
    )
    ages = Ages()
    ages.add_ts_recv(records, 1000)
    assert (ages.count, ages.total) == (2, 300)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 1000])
def test_runs_of_any_length(count: int) -> None:
    ages = Ages()
    ages.add_ts_recv(memoryview(b"".join(add(1, "B", 1, 1, ts_recv=n) for n in range(count))), count)
    assert ages.total == sum(range(1, count + 1))


def test_broken_framing_is_refused_and_nothing_counted() -> None:
    ages = Ages()
    for count in (ages.add_ts_out, ages.add_ts_recv):
        with pytest.raises(RecordError):
            count(add(1, "B", 1, 1, ts_out=5) + b"\x01\xa0", 1000)
    assert ages.count == 0


def test_what_came_since_a_copy() -> None:
    ages = Ages()
    ages.add(100, 10)
    before = ages.copy()
    ages.add(5_000, 2)
    since = ages.since(before)
    assert (since.count, since.total, before.count) == (2, 10_000, 10)
    assert 5_000 <= since.percentile(0.01) <= 5_160
    assert since.longest == 5_000
