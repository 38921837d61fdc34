"""Who asks: the principal of a request, from its key or the lack of one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from litestar.connection import ASGIConnection

from depthcast.api.key_store import KnownKeys
from depthcast.api.problems import ApiProblem
from depthcast.api.sessions import Sessions, cookie_value

__all__ = [
    "PUBLIC",
    "SUBPROTOCOL",
    "Authenticator",
    "Principal",
    "check",
    "principal_of",
    "require",
    "session_cookie",
]

Connection = ASGIConnection[Any, Any, Any, Any]
RawHeaders = Iterable[tuple[bytes, bytes]]

PUBLIC: Final = "public"
"""The scope of what anybody may ask: health, documentation."""

SUBPROTOCOL: Final = "depthcast"
"""What a WebSocket client offers beside ``bearer.KEY``: a browser cannot send an Authorization header."""
_BEARER_SUBPROTOCOL: Final = "bearer."
_CHALLENGE: Final = 'Bearer realm="depthcast"'


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        id: the key's id, or ``anonymous``.
        scopes: what is allowed; ``admin`` allows everything.
        name: whose key it is, for logs.
        refusal: why the key that was sent is not accepted; then there are no scopes.
        session_ends_ns: of who has signed in with a browser, until when that counts; None for others.
    """

    id: str
    scopes: frozenset[str]
    name: str
    refusal: ApiProblem | None = field(default=None, compare=False)
    session_ends_ns: int | None = None

    @property
    def anonymous(self) -> bool:
        return self.id == "anonymous"

    def allows(self, scope: str) -> bool:
        return scope == PUBLIC or scope in self.scopes or "admin" in self.scopes


class Authenticator:
    """Tells who asks.

    Args:
        keys: the keys that are accepted.
        anonymous_read: whether a request without a key may read, live data and the past.
        clock: ns since the epoch.
        sessions: of browsers; without it cookies say nothing.
    """

    def __init__(
        self,
        keys: KnownKeys,
        *,
        anonymous_read: bool,
        clock: Callable[[], int],
        sessions: Sessions | None = None,
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._clock = clock
        self._anonymous = Principal(
            "anonymous", frozenset({"read", "replay"}) if anonymous_read else frozenset(), "anonymous"
        )

    def principal(
        self, headers: RawHeaders, subprotocols: Iterable[str] = (), *, cookie: str = ""
    ) -> Principal:
        """Who sent these headers. A key that is not accepted is said in ``refusal``, never raised.

        Args:
            headers, subprotocols: the request's.
            cookie: the name of the cookie whose session counts where no key was sent; empty for none.
        """
        given = [value for name, value in headers if name == b"authorization"]
        if not given:
            tokens = [each for each in subprotocols if each.startswith(_BEARER_SUBPROTOCOL)]
            if not tokens:
                return self._signed_in(headers, cookie) or self._anonymous
            given = [b"Bearer " + each[len(_BEARER_SUBPROTOCOL) :].encode() for each in tokens]
        if len(given) > 1:
            return _refused("key-invalid", "several keys were sent; send one")
        scheme, _, token = given[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return _refused("key-invalid", "the Authorization header is not of the form: Bearer KEY")
        key = self._keys.ring.find(token.strip())
        if key is None:
            return _refused("key-invalid", "there is no such key")
        ended = key.ended(self._clock())
        if ended is not None:
            return _refused("key-ended", f"the key {key.id} is {ended}")
        return Principal(key.id, frozenset(key.scopes), key.name)

    def _signed_in(self, headers: RawHeaders, cookie: str) -> Principal | None:
        """Whose session the cookie is; a bad one is none."""
        if not cookie or self._sessions is None:
            return None
        cookies = b"; ".join(value for name, value in headers if name == b"cookie")
        session = self._sessions.find(cookie_value(cookies, cookie)) if cookies else None
        if session is None:
            return None
        key = session.key
        return Principal(key.id, frozenset(key.scopes), key.name, session_ends_ns=session.ends_ns)


def session_cookie(*, https: bool) -> str:
    """The name of the session's cookie: by TLS one that no other host can set."""
    return "__Host-depthcast" if https else "depthcast"


def principal_of(connection: Connection) -> Principal:
    """The principal of a connection that came through the edge."""
    return cast("Principal", connection.scope["state"]["principal"])


def require(connection: Connection, scope: str) -> Principal:
    """The principal of a connection, who must be allowed ``scope``.

    Raises:
        ApiProblem: no key, one that is not accepted, or one without the scope.
    """
    return check(principal_of(connection), scope)


def check(principal: Principal, scope: str) -> Principal:
    """A principal, who must be allowed ``scope``; raises as `require` does."""
    if principal.allows(scope):
        return principal
    if principal.refusal is not None:
        raise principal.refusal
    if principal.anonymous:
        raise ApiProblem(
            "key-required",
            f"this needs a key with the scope {scope}; send Authorization: Bearer KEY",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    raise ApiProblem(
        "scope-missing",
        f"the key {principal.id} has the scopes {', '.join(sorted(principal.scopes))}, not {scope}",
        headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'},
        scope=scope,
    )


def _refused(name: str, detail: str) -> Principal:
    problem = ApiProblem(name, detail, headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})
    return Principal("refused", frozenset(), "refused", problem)
