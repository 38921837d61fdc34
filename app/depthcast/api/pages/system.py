"""``/system``: the service itself: throughput, latencies by hop, clients, feeds, storage, what is wrong."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from litestar import Request, get

from depthcast.api.answers import Answer, response
from depthcast.api.auth import PUBLIC, require
from depthcast.api.hub.encoded import Form
from depthcast.api.pages.alarms import alarms
from depthcast.api.pages.gauges import HISTORY_S, Gauges, Hop
from depthcast.api.pages.numbers import time_text
from depthcast.api.pages.overview import status_events
from depthcast.api.pages.site import market_state, site_of
from depthcast.api.pages.storage import Storage
from depthcast.api.problems import ApiProblem
from depthcast.api.rates import Rate
from depthcast.api.runtime import Runtime
from depthcast.dbn.ages import Ages
from depthcast.live.replica import Replica

__all__ = ["ROUTES", "System", "histogram"]

DECADES: Final = 7
"""Of the histograms' scale, from a microsecond on."""
BARS: Final = 10
"""Of each decade."""
WIDTH: Final = 700
HEIGHT: Final = 64
KEPT_S: Final = 0.9
_BOUNDS_NS: Final = tuple(round(1_000 * 10 ** (n / BARS)) for n in range(1, DECADES * BARS + 1))
_Request = Request[Any, Any, Any]

_TITLES: Final = {
    "venue_to_applied": ("Venue to books", "from ts_recv until the record is in the books, by two clocks"),
    "gateway_to_applied": ("Gateway to books", "from ts_out, when the gateway sent it"),
    "encoded_to_written": ("Message to connection", "until the last reader's connection has it"),
    "request_to_answer": ("Request to answer", "of REST and of this page, to the answer's end"),
}


class Picture(NamedTuple):
    """A hop as the page shows it: two outlines, marks along the scale, numbers."""

    title: str
    about: str
    window: str
    whole: str
    marks: list[tuple[str, str]]
    numbers: list[tuple[str, str, str]]


class FeedRow(NamedTuple):
    """A feed in the table."""

    replica: Replica
    rate: Rate
    lost_ns: int
    books: int
    instruments: int


def histogram(ages: Ages) -> str:
    """An SVG path of how many durations lie where on the logarithmic scale; empty for none."""
    if not ages.count:
        return ""
    sums = [ages.at_most(bound) for bound in _BOUNDS_NS]
    bars = [after - before for before, after in zip([0, *sums[:-1]], sums, strict=True)]
    most = max(bars)
    if not most:
        return ""
    step = WIDTH / len(bars)
    parts = [f"M0,{HEIGHT}"]
    for index, bar in enumerate(bars):
        if bar or (index and bars[index - 1]):
            parts.append(
                f"H{index * step:.0f}V{HEIGHT - max(1.0, bar / most * HEIGHT) if bar else HEIGHT:.1f}"
            )
    return "".join([*parts, f"H{WIDTH}V{HEIGHT}Z"])


def place(ns: float) -> str:
    """Where on the scale a duration is, in percent of its width."""
    decades = math.log10(max(ns, 1_000.0) / 1_000.0)
    return f"{min(decades / DECADES, 1.0) * 100:.2f}"


class System:
    """What the page is made of, and what of it was rendered last: all viewers get the same bytes.

    Args:
        runtime: the application.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.gauges = Gauges(runtime)
        self.storage = Storage(runtime.services)
        self._kept: dict[str, tuple[float, Any]] = {}

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made at most once a second."""
        now = time.monotonic()
        found = self._kept.get(name)
        if found is None or now - found[0] > KEPT_S:
            found = self._kept[name] = (now, make())
        return found[1]

    def context(self) -> dict[str, Any]:
        """What the part that changes every second shows."""
        runtime, gauges = self.runtime, self.gauges
        services = runtime.services
        now_ns = services.clock()
        hub = services.hub
        readers = {} if hub is None else hub.readers()
        seconds = gauges.seconds
        traffic = runtime.traffic
        return {
            "feeds": [self._feed(replica, now_ns) for replica in services.market.replicas],
            "pictures": [_picture(hop, several=len(services.market.replicas) > 1) for hop in gauges.hops()],
            "scale": [time_text(10.0**n) for n in range(DECADES + 1)],
            "width": WIDTH,
            "height": HEIGHT,
            "counters": {} if hub is None else asdict(hub.counters),
            "websockets": readers.get(Form.FRAME, 0) + readers.get(Form.TEXT, 0),
            "events": sum(n for form, n in readers.items() if form not in (Form.FRAME, Form.TEXT)),
            "most": services.settings.api.max_clients,
            "requests_per_s": gauges.requests_per_s(),
            "sends_per_s": gauges.sends_per_s(),
            "requests": traffic.all_durations.count,
            "refused": runtime.buckets.refused,
            "reused": runtime.bodies.hits,
            "encoded": runtime.bodies.misses,
            "newest": seconds[-1] if seconds else None,
            "uptime_ns": int(services.lifecycle.uptime_s * 1e9),
            "stage": services.stage.value,
            "workers": services.settings.api.workers,
        }

    def _feed(self, replica: Replica, now_ns: int) -> FeedRow:
        since = replica.stale_since_ns
        return FeedRow(
            replica,
            self.runtime.rates.of(replica),
            0 if since is None else now_ns - since,
            replica.engine.book_count,
            len(replica.symbols.keys() | replica.definitions.keys()),
        )

    def alarms(self) -> dict[str, Any]:
        """What is wrong, and what stands for it."""
        found = alarms(self.runtime, self.gauges)
        said = repr([(alarm.tone, alarm.what.rpartition(",")[0] or alarm.what) for alarm in found])
        return {"alarms": found, "known": hashlib.sha256(said.encode()).hexdigest()[:16]}


@get("/system", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_system(request: _Request) -> Answer:
    """The page."""
    site, system = site_of(request), system_of(request)
    try:
        require(request, "read")
    except ApiProblem as problem:
        return site.problem(request, problem)
    services = site.services
    return site.html(
        request,
        "system.html",
        state=market_state(services.market),
        events_url=status_events(services.market),
        epoch=system.runtime.epoch,
        minutes=HISTORY_S // 60,
        **system.kept("live", system.context),
        **system.kept("alarms", system.alarms),
    )


@get("/system/live", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_live(request: _Request) -> Answer:
    """The part that changes every second."""
    site, system = site_of(request), system_of(request)
    try:
        require(request, "read")
    except ApiProblem as problem:
        return site.problem(request, problem)
    return site.shared(request, "system_live.html", "", lambda: system.kept("live", system.context))


@get("/system/alarms", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_alarms(request: _Request) -> Answer:
    """What is wrong; 204 where that is ``known``: what is read aloud is not replaced by the same."""
    system = system_of(request)
    found = system.kept("alarms", system.alarms)
    site = site_of(request)
    try:
        require(request, "read")
    except ApiProblem as problem:
        return site.problem(request, problem)
    if request.query_params.get("known") == found["known"]:
        return Answer(status_code=204, headers={"Cache-Control": "no-store"})
    return site.html(request, "alarms.html", **found)


@get("/system/storage", include_in_schema=False, opt={"scope": PUBLIC})
async def get_storage(request: _Request) -> Answer:
    """Journal and database."""
    site, system = site_of(request), system_of(request)
    try:
        require(request, "read")
    except ApiProblem as problem:
        return site.problem(request, problem)
    state = await system.storage.state()
    return site.html(request, "storage.html", now_ns=site.services.clock(), **state._asdict())


@get("/system/series", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_series(request: _Request) -> Answer:
    """The last minutes, a row a second, after the time ``since`` (ms): for the pictures."""
    require(request, "read")
    text = request.query_params.get("since", "")
    since = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    system = system_of(request)
    rows = [list(each) for each in system.gauges.seconds if each.ts_ms > since]
    return response({"epoch": system.runtime.epoch, "rows": rows}, headers={"Cache-Control": "no-store"})


ROUTES: Final = (get_system, get_live, get_alarms, get_storage, get_series)


def system_of(request: _Request) -> System:
    """The system page of the application that a request came to."""
    system: System = request.scope["litestar_app"].state.system
    return system


def _picture(hop: Hop, *, several: bool) -> Picture:
    title, about = _TITLES[hop.name]
    shown = hop.window if hop.window.count else hop.whole
    shares = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
    numbers = [(name, _took(hop.window, share), _took(hop.whole, share)) for name, share in shares]
    marks = [(name, place(shown.percentile(share))) for name, share in shares[:4:2]] if shown.count else []
    return Picture(
        f"{title}, {hop.feed}" if several and hop.feed else title,
        about,
        histogram(hop.window),
        histogram(hop.whole),
        marks,
        numbers,
    )


def _took(ages: Ages, share: float) -> str:
    if not ages.count:
        return "–"
    return time_text((ages.longest if share == 1.0 else ages.percentile(share)) / 1e3)
