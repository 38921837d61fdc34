"""The application: all routes behind the edge."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn, cast

from litestar import Litestar, Request, Router
from litestar.enums import ScopeType
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp, ControllerRouterHandler

from depthcast.api.answers import Bodies, encode
from depthcast.api.auth import Authenticator
from depthcast.api.documents import Document
from depthcast.api.edge import Edge
from depthcast.api.limits import Buckets
from depthcast.api.metrics import Traffic, make_registry
from depthcast.api.openapi import openapi_document
from depthcast.api.pages import routes as pages
from depthcast.api.pages.site import Site
from depthcast.api.pages.system import System
from depthcast.api.rates import Rates
from depthcast.api.reference import reference_page
from depthcast.api.replay.desk import ReplayDesk
from depthcast.api.routes import books, exports, history, instruments, reference, service
from depthcast.api.routes.admission import admit
from depthcast.api.runtime import Runtime
from depthcast.api.services import Services
from depthcast.api.sessions import Sessions, new_secret
from depthcast.errors import SettingsError

__all__ = ["create_app"]


class _Application(Litestar):
    """Litestar without its plugins for other kinds of models.

    Where pydantic is installed they cost a start half a second, and nothing here is made of it.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(services: Services, *, streams: Sequence[ControllerRouterHandler] | None = None) -> Litestar:
    """The ASGI application of the API.

    Args:
        services: what it works with.
        streams: handlers of the stream, by default WebSocket and SSE where there is a hub.
    """
    api = services.settings.api
    runtime = Runtime(
        services=services,
        epoch=os.urandom(4).hex(),
        bodies=Bodies(),
        traffic=Traffic(),
        rates=Rates(services.market.replicas),
        buckets=Buckets(api.requests_per_s, api.burst),
        sessions=_sessions(services),
        sign_ins=Buckets(api.sign_ins_per_minute / 60, max(1, int(api.sign_ins_per_minute))),
    )
    if services.hub is not None and services.past is not None:
        services.hub.replays = ReplayDesk(services.past, most=api.replays, per_key=api.replays_per_key)
    operations = [
        *books.ROUTES, *history.ROUTES, *exports.ROUTES, *instruments.ROUTES, *service.ROUTES,
        *reference.ROUTES,
    ]  # fmt: skip
    routers = [
        Router("/v1", route_handlers=[*operations, *reference.PAGES], before_request=admit),
        Router("/", route_handlers=service.PROBES, before_request=admit),
        Router("/", route_handlers=pages.ROUTES),
    ]
    site, system = Site(services), System(runtime)
    app = _Application(
        [*routers, *(_streams(services) if streams is None else streams)],
        debug=False,
        exception_handlers={Exception: _pass_on},
        lifespan=[_sampled(runtime), pages.sampled(site, system)],
        logging_config=None,
        openapi_config=None,
    )
    document = openapi_document(app, version=services.version)
    app.state.openapi = Document.of(encode(document), "application/json")
    app.state.reference = reference_page(document)
    app.state.runtime = runtime
    app.state.site = site
    app.state.system = system
    app.state.registry = make_registry(runtime)
    edge = Edge(
        app.asgi_handler,
        runtime=runtime,
        authenticator=Authenticator(
            services.keys,
            anonymous_read=api.anonymous_read,
            clock=services.clock,
            sessions=runtime.sessions,
        ),
        streams={route.path for route in app.routes if route.scope_type is not ScopeType.HTTP},
    )
    app.asgi_handler = cast("ASGIApp", edge)
    return app


def _sessions(services: Services) -> Sessions:
    """With the secret of all processes, or one of this alone."""
    api = services.settings.api
    secret = new_secret() if api.session_secret is None else api.session_secret.reveal()
    try:
        return Sessions(secret, lasts_s=api.session_s, ring=lambda: services.keys.ring, clock=services.clock)
    except ValueError as error:
        raise SettingsError(f"api.session_secret: {error}") from None


def _streams(services: Services) -> Sequence[ControllerRouterHandler]:
    """The stream's endpoints, which need a hub."""
    if services.hub is None:
        return ()
    from depthcast.api.events import events
    from depthcast.api.stream import stream

    return (stream, events)


def _pass_on(_: Request[Any, Any, Any], error: Exception) -> NoReturn:
    """Litestar's answers to errors are not ours: the edge answers."""
    raise error


def _sampled(runtime: Runtime) -> contextlib.AbstractAsyncContextManager[None]:
    @contextlib.asynccontextmanager
    async def sampled() -> AsyncIterator[None]:
        exporter = runtime.services.exporter
        await runtime.services.keys.start()
        runtime.rates.start()
        if exporter is not None:
            exporter.start()
        try:
            yield
        finally:
            runtime.rates.stop()
            if exporter is not None:
                await exporter.close()
            await runtime.services.keys.close()

    return sampled()
