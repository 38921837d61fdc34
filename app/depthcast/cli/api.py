"""``depthcast api``: follow gateways, and serve their live books over REST, WebSocket and SSE."""

import logging
import socket
from typing import Annotated, Final

import msgspec
import structlog
from cyclopts import Parameter

from depthcast.api.gateways import Gateway, parse_gateway
from depthcast.api.sessions import new_secret
from depthcast.api.workers import Supervisor, listen
from depthcast.cli._errors import guarded
from depthcast.cli._gateway_key import gateway_key
from depthcast.cli._interrupts import Interrupts
from depthcast.cli._options import Common
from depthcast.errors import UsageError
from depthcast.feed.options import parse_listen
from depthcast.live.address import Address
from depthcast.settings import Settings
from depthcast.settings.layers import Secret
from depthcast.telemetry.logs import bridge_library_logs, configure_logs

__all__ = ["api"]

REST_S: Final = 15.0
"""What a drain may take beside accepting and parting: requests under way, connections to feeds."""

log = structlog.get_logger("depthcast.api")


def api(
    *,
    feed: Annotated[
        tuple[str, ...],
        Parameter(
            help="A gateway to follow, HOST:PORT or HOST:PORT/DATASET. May be repeated. (default: api.feeds)"
        ),
    ] = (),
    key: Annotated[
        str | None,
        Parameter(
            help="The key for the gateways. (default: the variable DEPTHCAST_KEY or DATABENTO_API_KEY)"
        ),
    ] = None,
    dataset: Annotated[
        str | None, Parameter(help="The dataset of a gateway given without one. (default: api.dataset)")
    ] = None,
    listen_at: Annotated[
        str | None,
        Parameter(
            name="--listen", help="Where to serve, HOST:PORT; port 0 is a free one. (default: api.listen)"
        ),
    ] = None,
    workers: Annotated[
        int | None, Parameter(help="Processes that share the port. (default: api.workers)")
    ] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Serve live order books over REST, WebSocket and SSE, from one gateway or more.

    docs/running.md says how to run it. At Ctrl-C or SIGTERM streams are told to come back
    elsewhere and requests are answered; another one ends it at once.

    For example:
      depthcast api --feed 127.0.0.1:13000/XSIM.MBO --key "$KEY"
      depthcast api --feed feed-a:13000 --feed feed-b:13000 --dataset GLBX.MDP3 --listen :8000 --workers 4
    """
    settings = common.load_settings(
        api__feeds=",".join(feed) or None,
        api__dataset=dataset,
        api__listen=listen_at,
        api__workers=None if workers is None else str(workers),
    ).settings
    gateways = [parse_gateway(each, settings.api.dataset) for each in settings.api.feeds]
    if not gateways:
        raise UsageError("no feed: give --feed HOST:PORT, or set api.feeds")
    if len(set(gateways)) < len(gateways):
        raise UsageError(f"a feed is given twice: {', '.join(settings.api.feeds)}")
    secret = gateway_key(key, gateways[0].address.host)
    configure_logs(level=logging.WARNING if common.quiet else logging.INFO)
    bridge_library_logs()
    address = parse_listen(settings.api.listen, "--listen")
    if settings.api.workers == 1:
        return _alone(settings, gateways, secret, address)
    if settings.api.session_secret is None:  # of all workers: who signs in to one may come to another
        one = msgspec.structs.replace(settings.api, session_secret=Secret(new_secret()))
        settings = msgspec.structs.replace(settings, api=one)
    sockets = listen(address, settings.api.workers, settings.api.backlog)
    _tell(sockets, gateways, settings)
    return _supervise(settings, gateways, secret, sockets, debug=common.debug)


def _alone(settings: Settings, gateways: list[Gateway], secret: str, address: Address) -> int:
    """One process. Until it serves nobody is there to be told, so that a signal breaks the start off."""
    try:
        with Interrupts():
            sockets = listen(address, 1, settings.api.backlog)
            _tell(sockets, gateways, settings)
            _serve(settings, gateways, secret, sockets[0], None, None)
    except KeyboardInterrupt:
        log.info("stopping", reason="received a signal before it began")
    return 0


def _tell(sockets: list[socket.socket], gateways: list[Gateway], settings: Settings) -> None:
    at = Address(*sockets[0].getsockname()[:2])
    feeds = [f"{gateway.address}/{gateway.dataset}" for gateway in gateways]
    log.info("listening", address=str(at), feeds=feeds, workers=len(sockets))
    if settings.api.anonymous_read:
        log.info("anonymous reading is on: market data has licences", setting="api.anonymous_read")


def _supervise(
    settings: Settings, gateways: list[Gateway], secret: str, sockets: list[socket.socket], *, debug: bool
) -> int:
    """Several processes; each imports what it needs when it is there, so that this one stays small."""

    def work(number: int, listener: socket.socket, parent: int) -> int:
        def served() -> int:
            _serve(settings, gateways, secret, listener, number, parent)
            return 0

        return guarded(served, debug=debug)

    end_s = settings.api.drain_accept_s + settings.api.drain_spread_s + REST_S
    return Supervisor(sockets, work, end_s=end_s).run()


def _serve(
    settings: Settings,
    gateways: list[Gateway],
    secret: str,
    listener: socket.socket,
    worker: int | None,
    parent: int | None,
) -> None:
    from depthcast.api.server import raise_open_files, serve

    raise_open_files(settings.api.max_clients)
    serve(settings, gateways, secret, listener, worker=worker, parent=parent)
