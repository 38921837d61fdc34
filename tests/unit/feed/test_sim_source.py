"""The simulated exchange as a source: its options, and the life of its process."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from depthcast.errors import SourceError, UsageError
from depthcast.exchange import Style
from depthcast.feed.sources.open import open_source
from depthcast.feed.sources.sim import SimulatedSource, parse_simulation

S = 1_000_000_000


def child_of(source: SimulatedSource) -> int:
    process = source._process
    assert process is not None
    return process.pid


def alive(pid: int) -> bool:
    """Whether a process runs (a dead one that nobody waited for does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_options_are_those_of_the_exchange() -> None:
    params, starts_now = parse_simulation(
        "sim://nasdaq,top?seed=9&instruments=3&orders=50&initial_orders=20&interleave=2&rate=500"
        "&dataset=XSIM.TEST&start=2026-01-05T14:30:00.5"
    )
    assert not starts_now
    assert [(venue.publisher_id, venue.style) for venue in params.venues] == [
        (65_001, Style.NASDAQ),
        (65_002, Style.TOP),
    ]
    assert (params.seed, len(params.instruments), params.flow.live_orders) == (9, 3, 50)
    assert (params.initial_orders, params.interleave, params.flow.orders_per_second) == (20, 2, 500)
    assert params.dataset == "XSIM.TEST"
    assert params.start_ns == 1_767_623_400_500_000_000
    assert parse_simulation("sim://?start=1767623400000000000")[0].start_ns == 1_767_623_400 * S
    assert parse_simulation("sim://cme?start=2026-01-05T14:30:00%2B02:00")[0].start_ns == 1_767_616_200 * S


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sim://cmee", "no style 'cmee': there are cme, nasdaq, top"),
        ("sim://cme?sed=1", "no option 'sed': did you mean seed"),
        ("sim://cme?seed=1&seed=2", "seed is given twice"),
        ("sim://cme?seed=x", "seed: expected a whole number, got 'x'"),
        ("sim://cme?instruments=0", "instruments: expected 1 to 10,000"),
        ("sim://cme?start=tomorrow", "start: expected a time in ISO 8601"),
        ("sim://cme?dataset=" + "X" * 20, "dataset must have 1 to 15 bytes"),
        ("sim://cme?orders=1", "live_orders must be between 8"),
        ("sim://cme/more", "expected sim://STYLES"),
    ],
)
def test_what_it_does_not_have_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_source(spec)
    assert spec in str(caught.value)


def test_by_default_it_starts_now_and_knows_its_symbols() -> None:
    source = SimulatedSource("sim://cme?instruments=2")
    before = time.time_ns()
    chunks = source.chunks()
    first = next(chunks)
    source.close()
    chunks.close()  # type: ignore[attr-defined]
    ts_event = int.from_bytes(first.data[8:16], "little")
    assert before <= ts_event <= time.time_ns()
    assert source.dataset == "XSIM.MBO"
    assert source.symbology.symbol(1001) == "XES1"
    assert not source.finite


def test_closed_its_process_is_gone_at_once() -> None:
    async def main() -> None:
        source = SimulatedSource("sim://cme")
        woken = asyncio.Event()
        source.open(asyncio.get_running_loop(), woken.set)
        while source.take() is None:
            await asyncio.wait_for(woken.wait(), 20)
            woken.clear()
        pid = child_of(source)
        assert alive(pid)
        begin = time.perf_counter()
        source.close()
        source.close()
        assert time.perf_counter() - begin < 1
        assert not alive(pid)

    asyncio.run(main())


def test_a_process_that_dies_is_an_error_that_says_so() -> None:
    source = SimulatedSource("sim://cme")
    chunks = source.chunks()
    next(chunks)
    os.kill(child_of(source), signal.SIGKILL)
    with pytest.raises(SourceError, match="the exchange's process ended unexpectedly"):
        for _ in chunks:
            pass


def test_it_ends_with_its_parent_however_that_dies() -> None:
    program = (
        "import sys\n"
        "from depthcast.feed.sources.sim import SimulatedSource\n"
        "source = SimulatedSource('sim://cme')\n"
        "chunks = source.chunks()\nnext(chunks)\n"
        "print(source._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def test_a_state_of_another_exchange_is_refused() -> None:
    source = SimulatedSource("sim://cme?seed=1")
    chunks = source.chunks()
    next(chunks)
    state = source.state(0)
    source.close()
    chunks.close()  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match="an exchange with other parameters"):
        SimulatedSource("sim://cme?seed=2").chunks(state, 10)
    with pytest.raises(SourceError, match="another kind of source"):
        SimulatedSource("sim://cme?seed=1").chunks(b"\x91\xa4file", 10)
