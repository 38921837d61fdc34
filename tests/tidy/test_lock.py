"""The lock names the public default registry only, and the runtime stays lean."""

import re
import tomllib
from typing import Any, Final

from tests.tidy.project import ROOT

PUBLIC: Final = {"https://pypi.org", "https://files.pythonhosted.org"}


def test_the_lock_holds_only_the_public_default_urls() -> None:
    hosts = set(re.findall(r"[a-z+]+://[^/\"\s]+", (ROOT / "uv.lock").read_text()))
    assert hosts == PUBLIC


def dependencies_of(name: str, packages: dict[str, dict[str, Any]]) -> set[str]:
    """All packages that installing ``name`` alone brings, on any platform."""
    found: set[str] = set()
    queue = [name]
    while queue:
        for dependency in packages[queue.pop()].get("dependencies", []):
            if dependency["name"] not in found:
                found.add(dependency["name"])
                queue.append(dependency["name"])
    return found


LITESTAR_S_OWN = {"httpx"}
"""What the framework brings for its own test client, and our tests use too."""


def test_the_runtime_pulls_neither_test_nor_infrastructure_packages() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {package["name"]: package for package in lock["package"]}
    runtime = dependencies_of("depthcast", packages)
    groups = packages["depthcast"]["dev-dependencies"]
    developers = {entry["name"] for group in groups.values() for entry in group}
    direct = {entry["name"] for entry in packages["depthcast"]["dependencies"]}
    assert runtime & developers <= direct | LITESTAR_S_OWN
    assert len(runtime) < 55, sorted(runtime)
