"""Token buckets: so many a second, for a session, for an address."""

from depthcast.live.limits import AddressLimiter, TokenBucket


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(10, 10, now=0.0)
    assert [bucket.take(0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert bucket.delay(0.0) == 0.1
    assert bucket.take(0.1)
    assert not bucket.take(0.1)
    assert not bucket.full(1.0)
    assert bucket.full(1.2)
    assert bucket.take(100.0, cost=10)
    assert not bucket.take(100.0, cost=0.25)


def test_addresses_do_not_share_and_are_forgotten_when_they_are_many() -> None:
    limiter = AddressLimiter(2)
    assert [limiter.allow("192.0.2.1", 0.0) for _ in range(3)] == [True, True, False]
    assert limiter.allow("192.0.2.2", 0.0)
    for n in range(20_000):
        limiter.allow(f"198.51.100.{n}", 10.0 + n / 1000)
    assert len(limiter._buckets) <= 10_000
    assert limiter.allow("192.0.2.1", 40.0)
