"""Stacks, each built once."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from infra.program import build
from infra.settings import load
from tests.support.stacks import Built, build_with, configuration, configure

Build = Callable[..., Built]


def built(stack: str, **changed: Any) -> Built:
    """A stack as its file says, but for some keys."""
    values = configuration(stack) | {f"depthcast:{key}": value for key, value in changed.items()}
    configure(values)
    return build_with(lambda: build(load(pulumi.Config("depthcast"), stack)).outputs, stack)


@pytest.fixture(scope="session")
def stacks() -> dict[str, Built]:
    """The stacks as they stand in the tree."""
    return {stack: built(stack) for stack in ("dev", "staging", "prod")}


@pytest.fixture(params=["dev", "staging", "prod"])
def stack(request: pytest.FixtureRequest, stacks: dict[str, Built]) -> Built:
    """Each of them."""
    return stacks[request.param]
