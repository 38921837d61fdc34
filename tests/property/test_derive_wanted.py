"""A schema that is wanted for a while gives, meanwhile, exactly what one gives that always was."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.dbn.layout import MBO_SIZE
from tests.property.strategies import RecordList
from tests.property.test_derive_differential import feeds
from tests.support.domains import EDGES, LADDER, SMALL, TIGHT, VENUES, Domain
from tests.support.records import listing
from tests.support.samples import records as sample
from tests.support.streams import feed as long_feed

NAMES = list(SCHEMAS)
DEEP = [["mbp-10"], ["mbp-1", "mbp-10"], ["mbp-1"], [], ["tbbo"], NAMES]
"""What is wanted, more often than by chance: it decides how many levels are kept up with."""


@st.composite
def phases(draw: st.DrawFn) -> list[tuple[int, frozenset[str]]]:
    """After how many records what is wanted."""
    wanted = st.one_of(st.sampled_from(DEEP), st.sets(st.sampled_from(NAMES))).map(frozenset)
    return sorted(draw(st.lists(st.tuples(st.integers(0, 40), wanted), max_size=8)), key=lambda at: at[0])


def compare(feed: RecordList, plan: list[tuple[int, frozenset[str]]], chosen: list[str]) -> int:
    """Check all of a feed; the bytes given of schemas that were not wanted all the time."""
    always, at_times = DeriverSet(NAMES), DeriverSet(chosen)
    cuts = [0, *(min(at, len(feed)) for at, _ in plan), len(feed)]
    given_bytes = 0
    for (begin, end), wanted in zip(pairwise(cuts), [None, *(wanted for _, wanted in plan)], strict=True):
        if wanted is not None:
            at_times.wanted = wanted.intersection(chosen)
        piece = b"".join(feed[begin:end])
        given_bytes += check(always.apply(piece), at_times.apply(piece), at_times.wanted)
    check(always.flush(), at_times.flush(), at_times.wanted)
    return given_bytes


def check(expected: dict[str, bytes], found: dict[str, bytes], wanted: frozenset[str]) -> int:
    for schema, records in found.items():
        assert records == (expected[schema] if schema in wanted else b""), schema
    return sum(map(len, found.values()))


@pytest.mark.parametrize("domain", [TIGHT, SMALL, EDGES, VENUES, LADDER], ids=lambda domain: domain.name)
def test_wanting_and_not_wanting_changes_no_record(domain: Domain) -> None:
    @settings(max_examples=settings().max_examples * 6 // 10)
    @given(feed=feeds(domain), plan=phases(), chosen=st.sampled_from(DEEP[:3]) | st.just(NAMES))
    def check_feed(feed: RecordList, plan: list[tuple[int, frozenset[str]]], chosen: list[str]) -> None:
        note(listing(feed))
        event(f"bytes: {compare(feed, plan, chosen) > 0}")

    check_feed()


def long_plan(draw: random.Random, records: int, gap: int) -> list[tuple[int, frozenset[str]]]:
    plan, at = [], 0
    while at < records:
        some = draw.choice(DEEP) if draw.random() < 0.7 else draw.sample(NAMES, draw.randrange(len(NAMES)))
        plan.append((at, frozenset(some)))
        at += draw.randrange(1, gap)
    return plan


@pytest.mark.parametrize("domain", [SMALL, LADDER, VENUES], ids=lambda domain: domain.name)
def test_long_feeds(domain: Domain) -> None:
    draw = random.Random(11)
    feed = long_feed(np.random.default_rng(11), domain, 20_000)
    for chosen in (NAMES, ["mbp-10", "trades"], ["mbp-1", "mbp-10", "tbbo"]):
        assert compare(feed, long_plan(draw, len(feed), 25), chosen) > 100_000


def test_a_real_day(data_dir: Path) -> None:
    data = sample(data_dir / "CLX5_mbo.dbn").tobytes()
    feed = [data[at : at + MBO_SIZE] for at in range(0, len(data), MBO_SIZE)]
    draw = random.Random(3)
    for chosen in (NAMES, ["mbp-10", "trades"]):
        assert compare(feed, long_plan(draw, len(feed), 60), chosen) > 500_000
