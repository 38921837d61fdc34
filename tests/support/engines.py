"""The engines that every rule is tested on."""

from typing import Final, TypeAlias

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine

AnyEngine: TypeAlias = Engine | ReferenceEngine
ENGINES: Final[list[type[AnyEngine]]] = [Engine, ReferenceEngine]
