"""Where the API's keys are kept, and what the API knows of them: the seams of both."""

from collections.abc import Callable
from typing import Protocol

from depthcast.api.keys import ApiKeyRing

__all__ = ["ApiKeyStore", "KnownKeys"]


class ApiKeyStore(Protocol):
    """API keys in a lasting place. Its methods wait for a file or the network: not for the event loop."""

    def read(self) -> ApiKeyRing:
        """The keys as they are now; none where nothing was stored yet.

        Raises:
            KeyStoreError, StoreError: they cannot be read, or are not what they should be.
        """

    def change(self, change: Callable[[ApiKeyRing], ApiKeyRing], /) -> ApiKeyRing:
        """Replace the keys by what ``change`` makes of them, and return that.

        Raises:
            KeyStoreError, StoreError: as for `read`, or they cannot be written. What was stored is then
                untouched.
        """


class KnownKeys(Protocol):
    """The keys that an API accepts, as it knows them now."""

    @property
    def ring(self) -> ApiKeyRing:
        """The keys. It waits for nothing that could take long."""

    async def start(self) -> None:
        """Begin to follow changes."""

    async def close(self) -> None:
        """End that. The keys stay as they are."""
