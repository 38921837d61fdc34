"""All instruments in their order, sorted again only when there are others."""

from typing import Final

from depthcast.api.market import Listing, Market

__all__ = ["LOOKED_AT", "Listed"]

LOOKED_AT: Final = 5_000
"""A request that looks through instruments costs one token more for each full so many."""


class Listed:
    """A market's instruments, by dataset and symbol. Where there are many, sorting them takes long."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._state: object = None
        self._listings: list[Listing] = []

    def all(self) -> list[Listing]:
        """Every instrument known. Not to be changed."""
        state = [
            (replica.generation, len(replica.symbols), len(replica.definitions), len(replica.engine.books()))
            for replica in self._market.replicas
        ]
        if state != self._state:
            self._listings = self._market.listings()
            self._state = state
        return self._listings
