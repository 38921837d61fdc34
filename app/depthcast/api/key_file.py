"""Where the API's keys are kept, and how a running service learns of a change."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from depthcast.api.keys import ApiKeyRing
from depthcast.errors import KeyStoreError
from depthcast.live.private_file import PrivateFile

__all__ = ["ApiKeyFile", "ApiKeys"]

_log = structlog.get_logger(__name__)


class ApiKeyFile(PrivateFile[ApiKeyRing]):
    """API keys in a file that only its owner may read and write."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            empty=ApiKeyRing(),
            parse=ApiKeyRing.from_json,
            encode=lambda ring: ring.to_json(indent=2) + b"\n",
        )


class ApiKeys:
    """The keys as they are now: the file is looked at again after ``reload_s``.

    While it cannot be read, the keys read last stay good, and the log says so once.

    Args:
        file: where they are kept.
        reload_s: how old they may be.
        monotonic: a clock in seconds.

    Raises:
        KeyStoreError: the file cannot be read at the start.
    """

    def __init__(
        self, file: ApiKeyFile, *, reload_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._reload_s = reload_s
        self._monotonic = monotonic
        self._failing = ""
        self._ring = file.read()
        self._read_s = monotonic()

    @property
    def ring(self) -> ApiKeyRing:
        """The keys, read again if that is due and the file has changed."""
        now_s = self._monotonic()
        if now_s - self._read_s >= self._reload_s:
            self._read_s = now_s
            try:
                self._ring = self._file.read()
                self._failing = ""
            except KeyStoreError as error:
                if str(error) != self._failing:
                    self._failing = str(error)
                    _log.error("api keys cannot be read; those read last stay good", error=self._failing)
        return self._ring

    async def start(self) -> None:
        """Nothing: a file is looked at when its keys are asked for."""

    async def close(self) -> None:
        """Nothing."""
