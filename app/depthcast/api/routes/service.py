"""The service itself: its state, its figures, its limits, its health."""

from dataclasses import asdict
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from depthcast.api import examples
from depthcast.api.answers import Answer, response
from depthcast.api.auth import PUBLIC, principal_of, require
from depthcast.api.bodies import MAX_LEVELS, MAX_ORDERS
from depthcast.api.headers import is_local
from depthcast.api.hub.classes import DEPTHS, RATES
from depthcast.api.operations import operation
from depthcast.api.payloads import (
    FeedStatus,
    HealthAnswer,
    HopStatus,
    LimitsAnswer,
    ProblemTypesAnswer,
    ProblemTypeView,
    ReadyAnswer,
    StatsAnswer,
    StatusAnswer,
)
from depthcast.api.problem_types import PROBLEMS
from depthcast.api.problems import ApiProblem
from depthcast.api.routes.books import MAX_TRADES
from depthcast.api.routes.instruments import MAX_INSTRUMENTS
from depthcast.api.runtime import Runtime, registry_of, runtime_of
from depthcast.api.selection import feed_info, iso_or_none
from depthcast.api.services import Stage
from depthcast.dbn.ages import Ages
from depthcast.live.replica import Replica

__all__ = ["PROBES", "ROUTES"]

_NOW: Final = ("clients", "subscriptions", "classes")
_Request = Request[Any, Any, Any]
ProblemName = Annotated[
    str,
    PathParameter(
        description="The last part of a problem's `type`.",
        examples=[Example(value="book-busy", summary="A problem")],
    ),
]
_UNCACHED: Final = {"Cache-Control": "no-store"}


@get("/status", **operation("State of the feeds", StatusAnswer, examples.STATUS, tag="Service"))
def get_status(request: _Request) -> Answer:
    """Whether each feed is live, how old its data is, its last event, its rates."""
    runtime = runtime_of(request)
    services = runtime.services
    now_ns = services.clock()
    feeds = [_feed(runtime, replica, now_ns) for replica in services.market.replicas]
    counters = {} if services.hub is None else asdict(services.hub.counters)
    payload = StatusAnswer(
        version=services.version,
        stage=services.stage.value,
        uptime_s=round(services.lifecycle.uptime_s, 3),
        ts=str(now_ns),
        stale=any(feed.stale for feed in feeds),
        age_ms=max(feed.age_ms for feed in feeds),
        feeds=feeds,
        streams={name: counters.get(name, 0) for name in _NOW},
    )
    return response(payload)


@get("/stats", **operation("Latencies", StatsAnswer, examples.STATS, tag="Service"))
def get_stats(request: _Request) -> Answer:
    """Percentiles of every hop of the data's way to this process, and of its own answers, since its start."""
    runtime = runtime_of(request)
    hops = [
        _hop(replica.name, hop, ages)
        for replica in runtime.services.market.replicas
        for hop, ages in replica.hops.items()
    ]
    hub = runtime.services.hub
    if hub is not None:
        hops += [_hop("", hop, ages) for hop, ages in hub.hops.items()]
    requests = [_hop("", path or "none", ages) for path, ages in sorted(runtime.traffic.durations.items())]
    return response(StatsAnswer(str(runtime.services.clock()), hops, requests))


@get("/limits", **operation("Limits", LimitsAnswer, examples.LIMITS, tag="Service"))
def get_limits(request: _Request) -> Answer:
    """What one client may ask, and hold open, of one process of the service."""
    api, principal = runtime_of(request).services.settings.api, principal_of(request)
    payload = LimitsAnswer(
        principal=principal.id,
        scopes=sorted(principal.scopes),
        requests_per_s=api.requests_per_s,
        burst=api.burst,
        connections_per_address=api.connections_per_address,
        connections_per_key=api.connections_per_key,
        subscriptions_per_connection=api.subscriptions_per_connection,
        replays_per_key=api.replays_per_key,
        past_per_key=api.past_per_key,
        message_bytes=api.message_bytes,
        messages_per_s=api.messages_per_s,
        header_bytes=api.header_bytes,
        body_bytes=api.body_bytes,
        depths=list(DEPTHS),
        rates=list(RATES),
        levels=MAX_LEVELS,
        orders=MAX_ORDERS,
        trades=min(MAX_TRADES, api.retain_trades),
        instruments=MAX_INSTRUMENTS,
    )
    return response(payload)


@get(
    "/healthz",
    **operation("Whether the process works", HealthAnswer, examples.HEALTH, tag="Service", scope=PUBLIC),
)
def get_health(request: _Request) -> Answer:
    """200 whenever the process answers at all: a reason to restart it is that it does not."""
    return response(HealthAnswer(ok=True, version=runtime_of(request).services.version), headers=_UNCACHED)


@get(
    "/readyz",
    **operation(
        "Whether new work is wanted", ReadyAnswer, examples.READY, tag="Service", scope=PUBLIC,
        problems=("not-ready",),
    ),
)  # fmt: skip
def get_ready(request: _Request) -> Answer:
    """200 from the first complete books until the service drains, and 503 before and after.

    A feed that is lost later makes the data stale, never the service unready.
    """
    services = runtime_of(request).services
    feeds = {replica.name: replica.state.value for replica in services.market.replicas}
    stage = services.stage
    if stage is not Stage.RUNNING:
        waiting = [f"{each.name}: {each.reason}" for each in services.market.replicas if not each.ready]
        why = "; ".join(waiting) if stage is Stage.STARTING else "it takes no new work"
        raise ApiProblem("not-ready", f"the service is {stage.value}: {why}")
    return response(ReadyAnswer(ready=True, stage=stage.value, feeds=feeds), headers=_UNCACHED)


@get(
    "/metrics",
    **operation(
        "Metrics for Prometheus", str, "depthcast_replica_live{feed=...} 1.0\n", tag="Service",
        scope=PUBLIC, media_type="text/plain",
        problems=("key-required", "key-invalid", "key-ended", "scope-missing"),
    ),
)  # fmt: skip
def get_metrics(request: _Request) -> Answer:
    """All metrics of the process. It needs the scope `admin`, or a scraper on the same machine."""
    if not is_local(request.scope):
        require(request, "admin")
    return Answer(generate_latest(registry_of(request)), media_type=CONTENT_TYPE_LATEST, headers=_UNCACHED)


@get(
    "/problems",
    **operation("All problems", ProblemTypesAnswer, examples.PROBLEM_TYPES, tag="Problems", scope=PUBLIC),
)
def get_problems() -> Answer:
    """Every kind of problem that an answer can be."""
    return response(ProblemTypesAnswer([_problem(name) for name in PROBLEMS]))


@get(
    "/problems/{name:str}",
    **operation(
        "A problem", ProblemTypeView, examples.PROBLEM_TYPES.problems[0], tag="Problems", scope=PUBLIC,
        problems=("not-found",),
    ),
)  # fmt: skip
def get_problem(name: ProblemName) -> Answer:
    """What a problem's `type` means."""
    if name not in PROBLEMS:
        raise ApiProblem("not-found", f"there is no problem {name!r}; /v1/problems lists them")
    return response(_problem(name))


PROBES: Final = (get_health, get_ready, get_metrics)
"""Also at the root, where probes look for them."""
ROUTES: Final = (
    get_status,
    get_stats,
    get_limits,
    get_health,
    get_ready,
    get_metrics,
    get_problems,
    get_problem,
)


def _feed(runtime: Runtime, replica: Replica, now_ns: int) -> FeedStatus:
    info, rate, engine = feed_info(replica, now_ns), runtime.rates.of(replica), replica.engine
    return FeedStatus(
        name=replica.name,
        dataset=replica.dataset,
        state=info.state,
        stale=info.stale,
        stale_since=info.stale_since,
        age_ms=info.age_ms,
        reason=replica.reason,
        ready=replica.ready,
        generation=replica.generation,
        sessions=replica.sessions,
        gaps=replica.gaps,
        instruments=len(replica.symbols.keys() | replica.definitions.keys()),
        books=len(engine.books()),
        live_orders=engine.live_orders,
        records=replica.records,
        bytes=replica.received,
        trades=runtime.services.tape.total(replica),
        records_per_s=rate.records_per_s,
        bytes_per_s=rate.bytes_per_s,
        last_ts_recv=str(replica.last_ts_recv) if replica.last_ts_recv else None,
        last_ts_recv_iso=iso_or_none(replica.last_ts_recv),
        last_ts_out=str(replica.last_ts_out) if replica.last_ts_out else None,
        lag_ms=rate.lag_p50_ms,
        lag_p99_ms=rate.lag_p99_ms,
    )


def _hop(feed: str, hop: str, ages: Ages) -> HopStatus:
    def microseconds(share: float) -> float:
        return round(ages.percentile(share) / 1e3, 1)

    return HopStatus(
        feed=feed,
        hop=hop,
        count=ages.count,
        p50_us=microseconds(0.5),
        p90_us=microseconds(0.9),
        p99_us=microseconds(0.99),
        p999_us=microseconds(0.999),
        max_us=round(ages.longest / 1e3, 1),
    )


def _problem(name: str) -> ProblemTypeView:
    kind = PROBLEMS[name]
    return ProblemTypeView(kind.uri, kind.status, kind.title, kind.meaning)
