"""``depthcast keys ... --api``: the keys of the API, of which only hashes are kept."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from depthcast.api.key_file import ApiKeyFile
from depthcast.api.key_store import ApiKeyStore
from depthcast.api.keys import ApiKey, ApiKeyRing, make_api_key, new_token
from depthcast.cli._console import printable
from depthcast.cli._key_text import choose, parse_expiry, say, shown, table_of
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.errors import UsageError
from depthcast.settings import ApiSettings, DatabaseSettings

__all__ = ["create_api_key", "list_api_keys", "revoke_api_key"]


def create_api_key(name: str, scopes: tuple[str, ...], expires: str | None, common: Common) -> int:
    """Make a key, keep its hash, print it."""
    settings, store = _open(common)
    now_ns = time.time_ns()
    expires_ns = None if expires is None else parse_expiry(expires, now_ns)
    token = new_token()
    try:
        key = make_api_key(name, token, scopes=scopes or ("read",), now_ns=now_ns, expires_ns=expires_ns)
    except ValueError as error:
        raise UsageError(str(error)) from None
    store.change(lambda ring: ring.without_ended(now_ns).with_keys([key]))
    print_out(token + "\n")
    if not common.quiet:
        until = "" if key.expires is None else f" until {shown(key.expires)}"
        say(f"API key {key.id} for {key.name} ({', '.join(key.scopes)}){until}; it is not shown again")
        accepts = f"an API with the same {settings.keys_store} accepts it within {_reload(settings)}"
        say(f"its hash is kept in {store}; {accepts}")
    return 0


def list_api_keys(*, json: bool, common: Common) -> int:
    """Print all keys; there is nothing secret to hide."""
    _, store = _open(common)
    ring, now_ns = store.read(), time.time_ns()
    if json:
        rows = [_as_row(key, now_ns) for key in ring]
        print_out(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
    elif ring:
        print_out(_as_table(ring, now_ns))
    elif not common.quiet:
        say(f"no API keys in {store}; make one: depthcast keys create --api --name NAME")
    return 0


def revoke_api_key(text: str, common: Common) -> int:
    """Revoke a key by its id or name."""
    settings, store = _open(common)
    now_ns = time.time_ns()

    def find(ring: ApiKeyRing) -> ApiKey:
        return choose(ring.named(text), ring, text, now_ns, id_name="id")

    chosen = find(store.read())  # most mistakes are seen before anything is locked

    def end(ring: ApiKeyRing) -> ApiKeyRing:
        nonlocal chosen
        chosen = find(ring)
        return ring if chosen.revoked is not None else ring.revoke(chosen, now_ns)

    store.change(end)
    if not common.quiet:
        if chosen.revoked is not None:
            say(f"API key {chosen.id} of {chosen.name} was revoked already, at {shown(chosen.revoked)}")
        else:
            say(f"revoked API key {chosen.id} of {chosen.name} in {store}")
            say(f"an API with the same {settings.keys_store} refuses it within {_reload(settings)}")
    return 0


def _open(common: Common) -> tuple[ApiSettings, ApiKeyStore]:
    settings = common.load_settings().settings
    if settings.api.keys_store == "database":
        return settings.api, _in_database(settings.database)
    return settings.api, ApiKeyFile(settings.api.keys_file)


def _in_database(settings: DatabaseSettings) -> ApiKeyStore:
    """With the database that is named, or one of our own."""
    from depthcast.api.key_database import ApiKeyDatabase
    from depthcast.cli._database import opened
    from depthcast.store.connect import Connection, Database

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        async with opened(settings) as database, database.connect() as connection:
            yield connection

    if settings.url is None:
        return ApiKeyDatabase(connect, f"database in {settings.folder}")
    return ApiKeyDatabase(connect, str(Database(settings.url.reveal())))


def _reload(settings: ApiSettings) -> str:
    return f"{settings.keys_reload_s:g} s"


def _as_row(key: ApiKey, now_ns: int) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "state": key.ended(now_ns) or "active",
        "scopes": key.scopes,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    }


def _as_table(ring: ApiKeyRing, now_ns: int) -> str:
    rows = [
        (
            key.id,
            printable(key.name),
            key.ended(now_ns) or "active",
            ", ".join(key.scopes),
            shown(key.created),
            "never" if key.expires is None else shown(key.expires),
        )
        for key in ring
    ]
    return table_of(rows, ("id", "name", "state", "scopes", "created", "expires"), state=2)
