"""``depthcast keys``: what clients of the gateway, and of the API, authenticate with."""

import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from depthcast.cli._console import printable
from depthcast.cli._key_text import choose, parse_expiry, say, shown, table_of
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.errors import UsageError
from depthcast.settings import KeySettings

if TYPE_CHECKING:  # help is answered without what keys need
    from depthcast.live.key_stores import KeyStore
    from depthcast.live.keys import Key, KeyRing

__all__ = ["create", "keys", "list_keys", "revoke"]

keys = App(name="keys")

Api = Annotated[bool, Parameter(negative="", help="The API's keys instead of the gateway's.")]


@keys.command
def create(
    *,
    name: Annotated[str, Parameter(help="Who the key is for.")],
    api: Api = False,
    scope: Annotated[
        tuple[str, ...],
        Parameter(help="With --api: what it allows, of read, replay, admin. May be repeated. Default: read."),
    ] = (),
    max_sessions: Annotated[int | None, Parameter(help="Sessions at a time. (default: 10)")] = None,
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
    if api:
        from depthcast.cli._api_keys import create_api_key

        if dataset or max_sessions is not None:
            raise UsageError(f"{'--dataset' if dataset else '--max-sessions'}: keys of the API have none")
        return create_api_key(name, scope, expires, common)
    if scope:
        raise UsageError("--scope: keys of the gateway have none; for one of the API add --api")
    from depthcast.live.keys import DEFAULT_MAX_SESSIONS, make_key

    settings, store = _open(common)
    now_ns = time.time_ns()
    expires_ns = None if expires is None else parse_expiry(expires, now_ns)
    made: list[Key] = []

    def add(ring: "KeyRing") -> "KeyRing":
        secret = ring.new_secret(os.urandom)
        try:
            key = make_key(
                name,
                secret,
                now_ns=now_ns,
                max_sessions=DEFAULT_MAX_SESSIONS if max_sessions is None else max_sessions,
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
        until = "" if key.expires is None else f" until {shown(key.expires)}"
        say(f"key ...{key.id} for {key.name}{until}, kept in {store}; it is not shown again")
        say(f"a gateway with the same store accepts it within {settings.reload_s:g} s")
    return 0


@keys.command(name="list")
def list_keys(
    *,
    api: Api = False,
    json: Annotated[bool, Parameter(help="Print JSON instead of a table.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """List the keys by their last five characters, the bucket id. Secrets are not shown."""
    if api:
        from depthcast.cli._api_keys import list_api_keys

        return list_api_keys(json=json, common=common)
    _, store = _open(common)
    ring, now_ns = store.read(), time.time_ns()
    if json:
        rows = [_as_row(key, now_ns) for key in ring]
        print_out(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
    elif ring:
        print_out(_as_table(ring, now_ns))
    elif not common.quiet:
        say(f"no keys in {store}; make one: depthcast keys create --name NAME")
    return 0


@keys.command
def revoke(
    key: Annotated[
        str,
        Parameter(
            help="Its bucket id (last five characters), or its id with --api; or its name.",
            allow_leading_hyphen=True,
        ),
    ],
    /,
    *,
    api: Api = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Revoke a key. It is not accepted any more, and sessions that run on it are ended."""
    if api:
        from depthcast.cli._api_keys import revoke_api_key

        return revoke_api_key(key, common)
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
            say(f"key ...{chosen.id} of {chosen.name} was revoked already, at {shown(chosen.revoked)}")
        else:
            say(f"revoked key ...{chosen.id} of {chosen.name} in {store}")
            say(f"a gateway with the same store ends its sessions within {settings.reload_s:g} s")
    return 0


def _open(common: Common) -> tuple[KeySettings, "KeyStore"]:
    from depthcast.live.key_stores import open_key_store

    settings = common.load_settings().settings.keys
    return settings, open_key_store(settings.store, file=settings.file, secret_id=settings.secret_id)


def _choose(ring: "KeyRing", text: str, now_ns: int) -> "Key":
    return choose(ring.named(text), ring, text, now_ns, id_name="bucket id")


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
            shown(key.created),
            "never" if key.expires is None else shown(key.expires),
        )
        for key in ring
    ]
    headings = ("bucket", "name", "state", "sessions", "datasets", "created", "expires")
    return table_of(rows, headings, state=2)
