"""Every rule of the book is tested on every engine."""

import pytest

from tests.support.engines import ENGINES, AnyEngine


@pytest.fixture(params=ENGINES, ids=lambda engine_class: engine_class.__name__)
def engine_class(request: pytest.FixtureRequest) -> type[AnyEngine]:
    chosen: type[AnyEngine] = request.param
    return chosen


@pytest.fixture
def engine(engine_class: type[AnyEngine]) -> AnyEngine:
    return engine_class()
