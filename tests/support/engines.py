"""The engines that every rule is tested on."""

from typing import Final, TypeAlias

from depthcast.book.reference import ReferenceEngine

AnyEngine: TypeAlias = ReferenceEngine
ENGINES: Final[list[type[AnyEngine]]] = [ReferenceEngine]
