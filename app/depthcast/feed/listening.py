"""How the feed listens, as settings and surroundings say: addresses, limits, TLS, sockets handed over."""

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

from depthcast.errors import SettingsError
from depthcast.feed.options import FeedOptions
from depthcast.live.accepting import open_listeners
from depthcast.live.address import Address
from depthcast.live.gateway import GatewayLimits
from depthcast.settings import GatewaySettings

__all__ = ["addressed", "gateway_limits", "gateway_listeners", "inherited_listeners", "tls_context"]

FIRST_INHERITED: Final = 3
"""The first descriptor that is handed over: behind the standard streams."""

_HINTS: Final = {
    errno.EADDRINUSE: "end what listens there, or give {option} another address; port 0 is a free one",
    errno.EADDRNOTAVAIL: "give {option} an address of this machine; 0.0.0.0 is all of them",
    errno.EACCES: "give {option} a port from 1024 on",
}


@contextlib.contextmanager
def addressed(address: Address, option: str) -> Iterator[None]:
    """Have an OSError say which address cannot be had, and what to do about it."""
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "give {option} another address").format(option=option)
        where = error.filename or str(address)
        raise OSError(error.errno, f"{error.strerror}: {hint}", where) from error


def gateway_listeners(listen: Address) -> list[socket.socket]:
    """Sockets that listen for the gateway: those handed over, else new ones. Who connects waits.

    Raises:
        OSError: the address cannot be had.
        SettingsError: see `inherited_listeners`.
    """
    inherited = inherited_listeners()
    if inherited:
        return inherited
    with addressed(listen, "--listen"):
        return open_listeners(listen.host, listen.port)


def inherited_listeners(
    variables: Mapping[str, str] = os.environ, pid: int | None = None
) -> list[socket.socket]:
    """Listening sockets handed over by whoever started the process (systemd's LISTEN_FDS and LISTEN_PID).

    They stay open while the process is away: connections wait for its successor, so that a client that tries
    but once, at once, comes back after a restart. (sd_listen_fds(3) describes the protocol.)

    Raises:
        SettingsError: what was handed over is no listening TCP socket.
    """
    if variables.get("LISTEN_PID") != str(os.getpid() if pid is None else pid):
        return []
    listeners = []
    for number in range(FIRST_INHERITED, FIRST_INHERITED + int(variables.get("LISTEN_FDS") or 0)):
        try:
            listener = socket.socket(fileno=number)
            listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise SettingsError(f"LISTEN_FDS: descriptor {number}: {error.strerror}") from error
        if not listening or listener.family not in (socket.AF_INET, socket.AF_INET6):
            raise SettingsError(f"LISTEN_FDS: descriptor {number} is no listening TCP socket")
        os.set_inheritable(number, False)  # noqa: FBT003 - it takes no keyword
        listeners.append(listener)
    return listeners


def gateway_limits(settings: GatewaySettings, options: FeedOptions) -> GatewayLimits:
    """The gateway's limits as the settings say.

    With ``--max`` the feed waits for its sessions: none is told that it is slow.
    """
    return GatewayLimits(
        max_sessions=settings.max_sessions,
        max_unauthenticated=settings.max_unauthenticated,
        auth_timeout_s=settings.auth_timeout_s,
        start_timeout_s=settings.start_timeout_s,
        accepts_per_s=settings.accepts_per_s,
        subscriptions_per_s=settings.subscriptions_per_s,
        zstd_sessions=settings.zstd_sessions,
        forms_bytes=settings.forms_bytes,
        coalesce_ms=settings.coalesce_ms,
        drain_accept_s=settings.drain_accept_s,
        drain_spread_s=settings.drain_spread_s,
        linger_s=options.linger_s,
        warn_lag=0.0 if options.unlimited else 0.5,
    )


def tls_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """The server's TLS, None where no certificate is configured.

    Raises:
        SettingsError: a certificate without a key, or files that are none.
    """
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"gateway.tls_certificate: {settings.tls_certificate}: {error}") from error
    return context
