"""Why a subscription failed, as who called the command understands it."""

from depthcast.errors import AuthenticationError, ProtocolError, SessionError, UsageError
from depthcast.live.address import Address
from depthcast.live.attempt import reason_of
from depthcast.live.events import Ending

__all__ = ["explained", "no_session"]

_MUTE = " (nothing came from there: is it a Live gateway, and does it want --tls?)"


def explained(
    error: BaseException, address: Address, *, ending: Ending | None, sessions: int, received: int
) -> Exception | None:
    """The same failure with where and what to do; None where it says enough.

    Args:
        ending: how the last connection ended, if one did.
        sessions: how many came to stream.
        received: bytes that came, in all.
    """
    if isinstance(error, AuthenticationError):
        text = str(error).rstrip(".")
        hint = " (is --key right, and --dataset?)" if "authentication" in text.lower() else ""
        return UsageError(f"{address}: {text}{hint}")
    if isinstance(error, SessionError):
        return UsageError(f"{address}: {error}")
    if not isinstance(error, OSError) or sessions or ending is None:
        return None
    reason = reason_of(error).removeprefix(f"{address}: ")
    if ending is Ending.CONNECT and not isinstance(error, ConnectionResetError):  # by somebody, then
        known = error.errno is not None and error.errno > 0
        return OSError(error.errno, ("" if known else "no gateway there: ") + reason, str(address))
    return ProtocolError(f"{address}: no session came about: {reason}{'' if received else _MUTE}")


def no_session(address: Address, seconds: float, *, connected: bool, received: int) -> Exception:
    """The time is over, and nothing was subscribed to."""
    if not connected:
        return OSError(None, f"no gateway there: no connection within {seconds:g} s", str(address))
    return ProtocolError(f"{address}: no session came about in {seconds:g} s{'' if received else _MUTE}")
