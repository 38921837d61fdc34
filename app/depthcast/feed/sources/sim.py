"""The simulated exchange as a source: endless, and the same bytes again from wherever it is resumed."""

import asyncio
import subprocess  # nosec B404
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from depthcast.dbn import forms
from depthcast.errors import SourceError, UsageError
from depthcast.exchange import ExchangeParams, FlowParams, Style, VenueParams, make_instruments
from depthcast.feed.sources.base import Chunk, Marks, SourceKind, decode_state
from depthcast.feed.sources.prefetch import Prefetch
from depthcast.feed.sources.records import is_mbo_only
from depthcast.feed.sources.simulator import CHECKPOINT, RECORDS, Task, read_frame, write_frame
from depthcast.feed.sources.url import parse_source_url, parse_time
from depthcast.live.symbology import Symbology

__all__ = ["SimulatedSource", "parse_simulation"]

CHECKPOINT_EVERY: Final = 200_000
FIRST_PUBLISHER_ID: Final = 65_001
NOW: Final = "now"
MAX_INSTRUMENTS: Final = 10_000
_OPTIONS: Final = (
    "seed",
    "instruments",
    "orders",
    "initial_orders",
    "interleave",
    "rate",
    "dataset",
    "start",
)


class SimulatedState(msgspec.Struct, frozen=True, tag="simulated", array_like=True):
    """An exchange between two events: before the record at ``position``."""

    params: ExchangeParams
    position: int
    checkpoint: bytes | None
    """None at its beginning."""


class SimulatedSource:
    """``sim://STYLES?OPTIONS``. See `Source`, and docs/feed.md for the options.

    Raises:
        UsageError: options that it does not have, or out of range.
    """

    kind: SourceKind = "simulated"
    live = False
    finite = False

    def __init__(
        self, spec: str, *, chunk_bytes: int = 64 << 10, checkpoint_every: int = CHECKPOINT_EVERY
    ) -> None:
        self.name = spec
        self._params, self._starts_now = parse_simulation(spec)
        self._chunk_bytes = chunk_bytes
        self._checkpoint_every = checkpoint_every
        self.dataset = self._params.dataset
        self.symbology = Symbology.from_mapping(
            {item.symbol: item.instrument_id for item in self._params.instruments}
        )
        self._marks = Marks()
        self._process: subprocess.Popen[bytes] | None = None
        self._prefetch: Prefetch | None = None

    @property
    def ended(self) -> bool:
        return self._prefetch is not None and self._prefetch.ended

    @property
    def advance_ns(self) -> int:
        return 0

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
        state: bytes | None = None,
        position: int = 0,
    ) -> None:
        self._prefetch = Prefetch(self.chunks(state, position), loop, wake, name=self.name)

    def chunks(self, state: bytes | None = None, position: int = 0) -> Iterator[Chunk]:
        """What `open` has a thread read from the exchange's process: the chunks from ``position`` on."""
        if state is None:
            if self._starts_now:
                self._params = replace(self._params, start_ns=time.time_ns())
            place = SimulatedState(self._params, position, None)
        else:
            place = self._place(state, position)
        self._marks.add(place.position, msgspec.msgpack.encode(place))
        return self._read(self._begin(place), place, position)

    def recovered(self, data: bytes, position: int) -> None:
        """The position says it all."""

    def take(self) -> Chunk | None:
        return None if self._prefetch is None else self._prefetch.take()

    def state(self, position: int) -> bytes:
        return self._marks.at(position)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
        if self._prefetch is not None:
            self._prefetch.close()

    def _place(self, state: bytes, position: int) -> SimulatedState:
        place = decode_state(SimulatedState, state, self.name)
        asked = replace(self._params, start_ns=place.params.start_ns) if self._starts_now else self._params
        if asked != place.params:
            raise SourceError(
                f"{self.name}: the journal was written from an exchange with other parameters: give those, "
                "or another journal"
            )
        if place.position > position:
            raise SourceError(f"{self.name}: a state of record {place.position:,}, after {position:,}")
        return place

    def _begin(self, place: SimulatedState) -> subprocess.Popen[bytes]:
        """Start the exchange's process."""
        task = Task(place.params, place.checkpoint, self._chunk_bytes, self._checkpoint_every)
        self._process = subprocess.Popen(  # nosec B603
            [sys.executable, "-m", "depthcast.feed.sources.simulator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        if self._process.stdin is not None:
            write_frame(self._process.stdin, RECORDS, msgspec.msgpack.encode(task))  # type: ignore[arg-type]
            self._process.stdin.close()
        return self._process

    def _read(
        self, process: subprocess.Popen[bytes], place: SimulatedState, position: int
    ) -> Iterator[Chunk]:
        """The chunks that the process writes; it is ended when this is closed."""
        at = place.position
        try:
            while frame := read_frame(process.stdout):  # type: ignore[arg-type]
                kind, data = frame
                if kind == CHECKPOINT:
                    self._marks.add(at, msgspec.msgpack.encode(SimulatedState(place.params, at, data)))
                    continue
                if kind != RECORDS:
                    raise SourceError(f"{self.name}: {data.decode()}")
                count = forms.count(data)
                if at < position:  # told before
                    skipped = forms.prefix(data, position - at)
                    data = data[skipped:]
                at, count = at + count, min(count, at + count - position)
                if data:
                    yield Chunk(data, count, at - count, mbo_only=is_mbo_only(data))
            code = process.wait()
            raise SourceError(f"{self.name}: the exchange's process ended unexpectedly (exit code {code})")
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def parse_simulation(spec: str) -> tuple[ExchangeParams, bool]:
    """The exchange that ``sim://STYLES?OPTIONS`` asks for, and whether it starts at the present time.

    Raises:
        UsageError: naming the option that is wrong.
    """
    _, place, options = parse_source_url(spec, _OPTIONS, "sim://STYLES?OPTIONS, as sim://cme?seed=7")
    styles = [style for style in place.split(",") if style] or [Style.CME.value]
    for style in styles:
        if style not in {known.value for known in Style}:
            raise UsageError(f"{spec}: no style {style!r}: there are {', '.join(Style)}")
    start = options.get("start", NOW)
    try:
        start_ns = None if start == NOW else parse_time(start, "start")
        return _params(styles, options, start_ns), start_ns is None
    except UsageError as error:
        raise UsageError(f"{spec}: {error}") from None


def _params(styles: list[str], options: Mapping[str, str], start_ns: int | None) -> ExchangeParams:
    def number(name: str, default: int) -> int:
        text = options.get(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 20:
            raise UsageError(f"{name}: expected a whole number, got {text!r}")
        return int(text)

    instruments = number("instruments", 4)
    if not 1 <= instruments <= MAX_INSTRUMENTS:
        raise UsageError(f"instruments: expected 1 to {MAX_INSTRUMENTS:,}, got {instruments:,}")
    params = ExchangeParams(
        seed=number("seed", 1),
        instruments=make_instruments(instruments),
        venues=tuple(VenueParams(FIRST_PUBLISHER_ID + at, Style(style)) for at, style in enumerate(styles)),
        flow=FlowParams(live_orders=number("orders", 400), orders_per_second=number("rate", 20_000)),
        initial_orders=number("initial_orders", 0),
        interleave=number("interleave", 1),
    )
    if "dataset" in options:
        params = replace(params, dataset=options["dataset"])
    return params if start_ns is None else replace(params, start_ns=start_ns)
