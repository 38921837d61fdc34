"""The client's side of the text handshake: lines in, lines out, no I/O."""

from dataclasses import dataclass, field
from typing import Final, Literal

from depthcast.errors import AuthenticationError, ProtocolError
from depthcast.live.cram import response
from depthcast.live.lines import parse_line
from depthcast.live.replies import AuthenticationReply, Challenge, Greeting
from depthcast.live.requests import Authentication

__all__ = ["Handshake", "Login"]

_BUSY: Final = (
    "limit",
    "too many",
    "exceed",
    "concurrent",
    "simultaneous",
    "already",
    "full",
    "busy",
    "again",
)
"""Words of a refusal that says "not now" rather than "not you": the protocol has only its text."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks for a session, and what kind of session.

    Attributes:
        key: the API key, 32 ASCII characters; never shown or logged beyond the last five.
        dataset: ``GLBX.MDP3``; one a session.
        ts_out: every record is followed by its send time, 8 bytes more.
        compression: of everything the gateway sends after the start.
        heartbeat_s: how often the gateway is to send something: 1 to 1800 (Databento's own takes 5 and more).
        slow_reader_behavior: ``skip`` or ``warn``; None leaves it to the gateway.
        client: the program's name for the gateway's logs.
    """

    key: str = field(repr=False)
    dataset: str
    ts_out: bool = False
    compression: Literal["none", "zstd"] = "none"
    heartbeat_s: int = 1
    slow_reader_behavior: Literal["skip", "warn"] | None = None
    client: str = "Depthcast"

    def answer(self, challenge: str) -> bytes:
        """The authentication line. Raises ProtocolError naming a field that the protocol cannot carry."""
        return Authentication(
            auth=response(challenge, self.key),
            dataset=self.dataset,
            ts_out=self.ts_out,
            compression=self.compression,
            heartbeat_interval_s=self.heartbeat_s,
            slow_reader_behavior=self.slow_reader_behavior,
            client=self.client,
        ).to_line()


class Handshake:
    """Greeting, challenge, answer, reply.

    Attributes:
        version: the gateway's, once it greeted.
        session_id: once it accepted.
    """

    def __init__(self, login: Login) -> None:
        self.version: str | None = None
        self.session_id: str | None = None
        self._login = login
        self._challenged = False

    def take(self, line: bytes) -> bytes:
        """Take one line of the gateway; what to send in return, often nothing.

        Raises:
            ProtocolError: the line is not what comes next.
            AuthenticationError: the gateway refuses.
        """
        fields = parse_line(line)
        if self.version is None:
            self.version = Greeting.from_fields(fields).version
            return b""
        if not self._challenged:
            challenge = Challenge.from_fields(fields)
            self._challenged = True
            return self._login.answer(challenge.cram)
        if self.session_id is not None:
            raise ProtocolError("a line after the answer to the authentication")
        reply = AuthenticationReply.from_fields(fields)
        if reply.error is not None:
            raise AuthenticationError(f"the gateway refused the session: {reply.error}")
        self.session_id = reply.session_id or ""
        return b""


def is_busy(error: AuthenticationError) -> bool:
    """Whether a refusal may be none a little later: too many sessions, not a wrong key."""
    text = str(error).lower()
    return any(word in text for word in _BUSY)
