"""What one running application holds beside its services: stores, counters, samples."""

from dataclasses import dataclass
from typing import Any, cast

from litestar.connection import ASGIConnection
from prometheus_client import CollectorRegistry

from depthcast.api.answers import Bodies
from depthcast.api.limits import Buckets
from depthcast.api.metrics import Traffic
from depthcast.api.rates import Rates
from depthcast.api.services import Services
from depthcast.api.sessions import Sessions

__all__ = ["Runtime", "runtime_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The parts of an application.

    Attributes:
        services: what it was made of.
        epoch: stands for this process in what only it can tell apart.
        bodies: encoded books.
        traffic: requests counted.
        rates: samples of the feeds.
        buckets: the clients' allowances.
        sessions: of browsers.
        sign_ins: how often an address may try to sign in.
    """

    services: Services
    epoch: str
    bodies: Bodies
    traffic: Traffic
    rates: Rates
    buckets: Buckets
    sessions: Sessions
    sign_ins: Buckets


def runtime_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Runtime:
    """The runtime of the application that a request came to."""
    return cast("Runtime", connection.scope["litestar_app"].state.runtime)


def registry_of(connection: ASGIConnection[Any, Any, Any, Any]) -> CollectorRegistry:
    """Its metrics."""
    return cast("CollectorRegistry", connection.scope["litestar_app"].state.registry)
