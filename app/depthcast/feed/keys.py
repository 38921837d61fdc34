"""The gateway's keys, read again and again: a change takes effect without a restart."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from depthcast.errors import KeyStoreError, UsageError
from depthcast.live.key_stores import KeyStore
from depthcast.live.keys import MAX_SESSIONS, KeyRing, make_key

__all__ = ["KeyWatch"]

GIVEN_NAME: Final = "command line"

log = structlog.get_logger("depthcast.keys")


class KeyWatch:
    """Keeps the ring of keys that the gateway asks.

    They are read when it is made, which waits for a file or the network, and again from `start` on. While the
    store cannot be read the last keys that were read stand.

    Args:
        store: where keys are kept.
        given: secrets that are accepted beside those, for as long as the process lives.
        reload_s: how often the store is read again.

    Raises:
        UsageError: a given secret that official clients would not take.
        KeyStoreError: the keys cannot be read now, or clash with those given.
    """

    def __init__(self, store: KeyStore, given: Sequence[str], reload_s: float) -> None:
        self._store = store
        self._reload_s = reload_s
        self._task: asyncio.Task[None] | None = None
        self._broken = False
        try:
            self._given = [
                make_key(GIVEN_NAME, secret, now_ns=time.time_ns(), max_sessions=MAX_SESSIONS)
                for secret in dict.fromkeys(given)
            ]
            KeyRing(self._given)
        except (ValueError, KeyStoreError) as error:
            raise UsageError(f"--key: {error}") from error
        self.ring = self._with_given(store.read())

    def start(self) -> None:
        """Go on reading them, on the loop that runs."""
        if not self.ring:
            log.warning("no_keys", hint="nobody can connect: give --key, or make one: depthcast keys create")
        self._task = asyncio.create_task(self._watch())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _with_given(self, stored: KeyRing) -> KeyRing:
        known = {key.secret for key in stored}  # of a key that is stored too, what is stored holds
        return stored.with_keys(key for key in self._given if key.secret not in known)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._reload_s)
            try:
                self.ring = self._with_given(await asyncio.to_thread(self._store.read))
            except KeyStoreError as error:
                if not self._broken:
                    log.error("keys_not_read", error=str(error), consequence="the last keys read stand")
                self._broken = True
            else:
                self._broken = False
