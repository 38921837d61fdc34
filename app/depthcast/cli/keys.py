"""``depthcast keys``: the keys that clients of the gateway authenticate with."""

import os
import re
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from depthcast.cli._console import bold, colour, printable, table
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.cli._values import parse_time
from depthcast.errors import UsageError
from depthcast.settings import KeySettings

if TYPE_CHECKING:  # help is answered without what keys need
    from depthcast.live.key_stores import KeyStore
    from depthcast.live.keys import Key, KeyRing

__all__ = ["create", "keys", "list_keys", "revoke"]

_NS: Final = 1_000_000_000
_SPANS_S: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_LAST_NS: Final = 253_402_300_800 * _NS
"""The year 10000, which ISO 8601 does not write."""

keys = App(name="keys")


@keys.command
def create(
    *,
    name: Annotated[str, Parameter(help="Who the key is for.")],
    max_sessions: Annotated[int, Parameter(help="Sessions at a time. (default: 10)")] = 10,
    expires: Annotated[
        str | None,
        Parameter(
            help="When it ends: a date (2027-01-31), a time, or a span from now (30d, 12h). Default: never."
        ),
    ] = None,
    dataset: Annotated[
        tuple[str, ...],
        Parameter(help="A dataset it may subscribe to, default all. May be repeated."),
    ] = (),
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Make a key and print it. It is shown this once.

    Standard output is the key alone: KEY=$(depthcast keys create --name desk-1)
    """
    from depthcast.live.keys import make_key

    settings, store = _open(common)
    now_ns = time.time_ns()
    expires_ns = None if expires is None else _parse_expiry(expires, now_ns)
    made: list[Key] = []

    def add(ring: "KeyRing") -> "KeyRing":
        secret = ring.new_secret(os.urandom)
        try:
            key = make_key(
                name,
                secret,
                now_ns=now_ns,
                max_sessions=max_sessions,
                expires_ns=expires_ns,
                datasets=dataset or None,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        made[:] = [key]
        return ring.without_ended(now_ns).with_keys(made)

    store.change(add)
    [key] = made
    print_out(key.secret + "\n")
    if not common.quiet:
        until = "" if key.expires is None else f" until {_shown(key.expires)}"
        _say(f"key ...{key.id} for {key.name}{until}, kept in {store}; it is not shown again")
        _say(f"a gateway with the same store accepts it within {settings.reload_s:g} s")
    return 0


@keys.command(name="list")
def list_keys(
    *,
    json: Annotated[bool, Parameter(help="Print JSON instead of a table.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """List the keys by their last five characters, the bucket id. Secrets are not shown."""
    _, store = _open(common)
    ring, now_ns = store.read(), time.time_ns()
    if json:
        rows = [_as_row(key, now_ns) for key in ring]
        print_out(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
    elif ring:
        print_out(_as_table(ring, now_ns))
    elif not common.quiet:
        _say(f"no keys in {store}; make one: depthcast keys create --name NAME")
    return 0


@keys.command
def revoke(
    key: Annotated[
        str, Parameter(help="Its bucket id (last five characters) or name.", allow_leading_hyphen=True)
    ],
    /,
    *,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Revoke a key. It is not accepted any more, and sessions that run on it are ended."""
    settings, store = _open(common)
    now_ns = time.time_ns()
    chosen = _choose(store.read(), key, now_ns)  # most mistakes are seen before anything is locked

    def end(ring: "KeyRing") -> "KeyRing":
        nonlocal chosen
        chosen = _choose(ring, key, now_ns)
        return ring if chosen.revoked is not None else ring.revoke(chosen, now_ns)

    store.change(end)
    if not common.quiet:
        if chosen.revoked is not None:
            _say(f"key ...{chosen.id} of {chosen.name} was revoked already, at {_shown(chosen.revoked)}")
        else:
            _say(f"revoked key ...{chosen.id} of {chosen.name} in {store}")
            _say(f"a gateway with the same store ends its sessions within {settings.reload_s:g} s")
    return 0


def _open(common: Common) -> tuple[KeySettings, "KeyStore"]:
    from depthcast.live.key_stores import open_key_store

    settings = common.load_settings().settings.keys
    return settings, open_key_store(settings.store, file=settings.file, secret_id=settings.secret_id)


def _choose(ring: "KeyRing", text: str, now_ns: int) -> "Key":
    """The key that is meant: of several, the one that is still accepted."""
    found = ring.named(text)
    if not found:
        known = ", ".join(f"{key.id} ({key.name})" for key in ring if key.ended(now_ns) is None)
        raise UsageError(f"no key {text!r}; {f'there are {known}' if known else 'there are none'}")
    running = [key for key in found if key.ended(now_ns) is None]
    if len(running) > 1:
        ids = ", ".join(key.id for key in running)
        raise UsageError(f"{len(running)} keys are named {text!r}: say which by its bucket id, {ids}")
    return running[0] if running else found[-1]


def _parse_expiry(text: str, now_ns: int) -> int:
    span = re.fullmatch(r"([0-9]{1,6})([a-z])", text)
    if span and span[2] in _SPANS_S:
        expires_ns = now_ns + int(span[1]) * _SPANS_S[span[2]] * _NS
    else:
        try:
            expires_ns = parse_time(text)
        except UsageError:
            expected = "a span such as 30d or 12h, a date or a time such as 2027-01-31T18:00Z"
            raise UsageError(f"--expires: expected {expected}, got {text!r}") from None
    if not now_ns < expires_ns < _LAST_NS:
        raise UsageError(f"--expires: {text!r} is not a time to come")
    return expires_ns


def _as_row(key: "Key", now_ns: int) -> dict[str, Any]:
    return {
        "bucket": key.id,
        "name": key.name,
        "state": key.ended(now_ns) or "active",
        "max_sessions": key.max_sessions,
        "datasets": key.datasets,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    }


def _as_table(ring: "KeyRing", now_ns: int) -> str:
    rows = [
        (
            key.id,
            printable(key.name),
            key.ended(now_ns) or "active",
            str(key.max_sessions),
            ", ".join(key.datasets or ["all"]),
            _shown(key.created),
            "never" if key.expires is None else _shown(key.expires),
        )
        for key in ring
    ]
    headings = ("bucket", "name", "state", "sessions", "datasets", "created", "expires")
    first, *lines = table(rows, headings=headings).splitlines()
    shades = ["" if row[2] == "active" else "2" for row in rows]
    shown = [
        colour(line, shade, sys.stdout) if shade else line for line, shade in zip(lines, shades, strict=True)
    ]
    return "\n".join([bold(first, sys.stdout), *shown]) + "\n"


def _shown(time_utc: datetime) -> str:
    return time_utc.strftime("%Y-%m-%d %H:%MZ")


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr)
