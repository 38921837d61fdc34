"""The lines a gateway sends: the greeting, the challenge, and the answer to the authentication."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from depthcast.errors import ProtocolError
from depthcast.live.lines import format_line, line_value, shown

__all__ = ["LSG_VERSION", "AuthenticationReply", "Challenge", "Greeting"]

LSG_VERSION: Final = "0.9.4"
"""The gateway version that is announced: that of Databento's gateways as of September 2026."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The first line: ``lsg_version=0.9.4``."""

    version: str = LSG_VERSION

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Greeting":
        """Raises ProtocolError where the line is no greeting: the peer is no Live gateway."""
        return cls(_required(fields, "lsg_version", "a greeting"))

    def to_line(self) -> bytes:
        """The line, LF included."""
        return format_line({"lsg_version": self.version})


@dataclass(frozen=True, slots=True)
class Challenge:
    """The second line: ``cram=...``."""

    cram: str

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Challenge":
        """Raises ProtocolError where the line is no challenge."""
        return cls(_required(fields, "cram", "a challenge"))

    def to_line(self) -> bytes:
        """The line, LF included."""
        return format_line({"cram": self.cram})


@dataclass(frozen=True, slots=True)
class AuthenticationReply:
    """``success=1|session_id=7`` or ``success=0|error=...``.

    Attributes:
        session_id: of an accepted session; decimal digits (one client reads it as a number).
        error: why it was refused; None where it was accepted.
    """

    session_id: str | None = None
    error: str | None = None

    @property
    def success(self) -> bool:
        return self.error is None

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "AuthenticationReply":
        """Raises ProtocolError where the line is no such reply. Anything but ``success=1`` is a refusal."""
        success = _required(fields, "success", "an answer to the authentication")
        if success == "1":
            return cls(session_id=fields.get("session_id", ""))
        return cls(error=fields.get("error") or "the gateway gave no reason")

    def to_line(self) -> bytes:
        """The line, LF included. Clients know these keys and no others."""
        if self.error is not None:
            return format_line({"success": "0", "error": line_value(self.error)})
        if self.session_id is None or not (self.session_id.isascii() and self.session_id.isdigit()):
            raise ProtocolError("session_id: expected decimal digits")
        return format_line({"success": "1", "session_id": self.session_id})


def _required(fields: Mapping[str, str], key: str, what: str) -> str:
    value = fields.get(key)
    if not value:
        raise ProtocolError(f"expected {what} ({key}=...), got {shown('|'.join(fields))}")
    return value
