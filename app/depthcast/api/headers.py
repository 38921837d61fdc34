"""What HTTP headers say and must say: the client's address, other origins, security."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Any, Final

from depthcast.errors import SettingsError

__all__ = [
    "EXPOSED",
    "Addresses",
    "Origins",
    "client_key",
    "header",
    "is_local",
    "is_own_page",
    "security_headers",
]

RawHeaders = Iterable[tuple[bytes, bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scope = Any  # an ASGI scope, whatever framework's

EXPOSED: Final = (
    "Accept-Ranges, Content-Range, Depthcast-Book, Depthcast-History, ETag, Link, Location, RateLimit, "
    "RateLimit-Policy, Retry-After, X-Request-Id"
)
"""Headers that a page of another origin may read."""

_ORIGIN: Final = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")
_MAX_HOPS: Final = 16
_PREFLIGHT_S: Final = 600
_ALLOWED_HEADERS: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Range"
)
_API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def header(headers: RawHeaders, name: bytes) -> str | None:
    """The first header of that (lower-case) name, as text."""
    for each, value in headers:
        if each == name:
            return value.decode("latin-1")
    return None


def security_headers(present: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """What every answer carries, unless it has its own: a page's content security policy is another."""
    headers = [each for each in _SECURITY if each[0] not in present]
    if b"content-security-policy" not in present:
        headers.append((b"content-security-policy", _API_POLICY))
    return headers


class Addresses:
    """Tells a client's address, from the connection or from a proxy that is trusted.

    Args:
        trusted: addresses and networks of proxies whose X-Forwarded-For is believed.

    Raises:
        SettingsError: one of them is neither.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        try:
            self._trusted: list[Network] = [ipaddress.ip_network(each, strict=False) for each in trusted]
        except ValueError as error:
            raise SettingsError(f"api.trusted_proxies: expected addresses and networks; {error}") from None

    def client(self, scope: Scope) -> str:
        """The client's address; ``unknown`` where there is none (a Unix socket).

        X-Forwarded-For is read from its end, as long as what wrote it is trusted: what stands before was
        written by the client, who may write anything.
        """
        peer = scope.get("client")
        address = str(peer[0]) if peer else "unknown"
        if not self._trusted or not self.trusts(address):
            return address
        hops = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(hops.decode("latin-1").split(",")[-_MAX_HOPS:]):
            named = _address(hop)
            if named is None:
                break
            address = named
            if not self.trusts(address):
                break
        return address

    def is_https(self, scope: Scope) -> bool:
        """Whether the client speaks TLS: to this server, or to a proxy that is trusted, as that says."""
        if scope.get("scheme") == "https":
            return True
        peer = scope.get("client")
        if not peer or not self.trusts(str(peer[0])):
            return False
        return (header(scope["headers"], b"x-forwarded-proto") or "").rpartition(",")[2].strip() == "https"

    def trusts(self, address: str) -> bool:
        """Whether this is one of the proxies."""
        parsed = _parsed(address) if self._trusted else None
        return parsed is not None and any(parsed in network for network in self._trusted)


def is_local(scope: Scope) -> bool:
    """Whether the client runs on this very machine and no proxy is between."""
    peer = scope.get("client")
    if not peer or any(name in (b"x-forwarded-for", b"forwarded") for name, _ in scope["headers"]):
        return False
    parsed = _parsed(peer[0])
    return parsed is not None and parsed.is_loopback


def is_own_page(headers: RawHeaders) -> bool:
    """Whether a browser says that it asks for a page of this very host. One that says nothing does not."""
    origin, host = header(headers, b"origin") or "", header(headers, b"host") or ""
    return bool(host) and origin.partition("://")[2].lower() == host.lower()


def client_key(address: str) -> str:
    """Whose limits an address shares: an IPv6 client has a whole /64."""
    parsed = _parsed(address) if ":" in address else None
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


class Origins:
    """Which web pages of other origins may call the API from a browser.

    Args:
        allowed: origins (``https://example.com``), or ``*`` for all.

    Raises:
        SettingsError: one of them is no origin.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(each.rstrip("/").lower() for each in allowed)
        for each in self._allowed:
            if not _ORIGIN.fullmatch(each):
                raise SettingsError(
                    f"api.cors_origins: expected origins such as https://example.com, or *; got {each!r}"
                )
        self._all = "*" in self._allowed

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def allows(self, origin: str) -> bool:
        return self._all or origin.lower() in self._allowed

    def may_connect(self, headers: RawHeaders) -> bool:
        """Whether a WebSocket may be opened: browsers ask nobody before, so the server has to look."""
        origin = header(headers, b"origin")
        return origin is None or self.allows(origin) or is_own_page(headers)

    def answer_headers(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        """What an answer to a request with this Origin carries."""
        if not self._allowed:
            return []
        vary = [] if self._all else [(b"vary", b"Origin")]
        if origin is None or not self.allows(origin):
            return vary
        allowed = b"*" if self._all else origin.encode("latin-1")
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", EXPOSED.encode()),
            *vary,
        ]

    def preflight_headers(self, origin: str) -> list[tuple[bytes, bytes]]:
        """What the answer to a preflight of this Origin carries."""
        if not self.allows(origin):
            return self.answer_headers(origin)
        return [
            *self.answer_headers(origin),
            (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", str(_PREFLIGHT_S).encode()),
        ]


def _address(hop: str) -> str | None:
    """The address of one part of X-Forwarded-For, which some proxies write with a port."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    parsed = _parsed(text)
    return None if parsed is None else str(parsed)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; of an IPv4 client on an IPv6 socket (``::ffff:10.0.0.9``) the one it has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return (parsed.version == 6 and parsed.ipv4_mapped) or parsed
