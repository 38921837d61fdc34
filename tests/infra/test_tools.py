"""What is done around a deployment: looking before, comparing after, reckoning what it costs."""

import ast
from typing import Any

import pytest

from infra.tools.aws import running_digests, wait_for_steady
from infra.tools.console import Check, table
from infra.tools.costs import data_transfer, estimate, markdown
from infra.tools.preflight import checks, subject, without_aws
from infra.tools.stack import settings_of
from tests.support.stacks import ROOT, configuration


class Ecs:
    """ECS with answers written down."""

    def __init__(self, *deployments: dict[str, Any], digests: tuple[str, ...] = ()) -> None:
        self.deployments = list(deployments)
        self.digests = digests

    def describe_services(self, **asked: Any) -> dict[str, Any]:
        return {
            "services": [{"serviceName": name, "deployments": self.deployments} for name in asked["services"]]
        }

    def list_tasks(self, **_: str) -> dict[str, Any]:
        return {"taskArns": [f"task/{each}" for each in self.digests]}

    def describe_tasks(self, **_: Any) -> dict[str, Any]:
        own = [{"name": "feed", "imageDigest": each} for each in self.digests]
        return {"tasks": [{"containers": [*own, {"name": "collector", "imageDigest": "sha256:other"}]}]}


def deployment(status: str, state: str) -> dict[str, Any]:
    """As ECS describes one."""
    return {"status": status, "rolloutState": state, "runningCount": 1, "desiredCount": 1}


def test_a_completed_deployment_is_steady(capsys: pytest.CaptureFixture[str]) -> None:
    wait_for_steady(Ecs(deployment("PRIMARY", "COMPLETED")), "c", ["feed", "api"])
    assert "feed: 1 of 1 tasks run" in capsys.readouterr().out


def test_a_deployment_that_was_rolled_back_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    undone = Ecs(deployment("PRIMARY", "COMPLETED"), deployment("INACTIVE", "FAILED"))
    with pytest.raises(SystemExit):
        wait_for_steady(undone, "c", ["feed"])
    assert "feed: the deployment failed" in capsys.readouterr().err


def test_a_deployment_that_never_ends_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        wait_for_steady(Ecs(deployment("PRIMARY", "IN_PROGRESS")), "c", ["feed"], limit_s=-1)
    assert "not steady" in capsys.readouterr().err


def test_what_runs_is_what_our_own_containers_run() -> None:
    assert running_digests(Ecs(digests=("sha256:a",)), "c", "feed") == {"sha256:a"}
    assert running_digests(Ecs(), "c", "feed") == set()


def test_what_is_still_an_example_is_to_be_mended() -> None:
    dev = {each.name: each for each in without_aws(settings_of("dev"))}
    assert not dev["networks let in"].ok
    prod = {each.name: each for each in without_aws(settings_of("prod"))}
    assert not prod["domain is one's own"].ok
    assert not prod["image"].ok
    assert not subject(configuration("main", ROOT / "infra" / "bootstrap")).ok


def test_without_credentials_that_is_all_there_is_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import NoCredentialsError

    def no_client(_: str) -> Any:
        raise NoCredentialsError

    (only,) = checks(settings_of("dev"), no_client)
    assert only.name == "credentials"
    assert "aws sso login" in only.fix


def test_a_table_says_what_to_do_below_what_is_wrong() -> None:
    shown = table([Check("one", ok=True, found="1"), Check("other", ok=False, found="2", fix="do this")])
    assert shown.splitlines() == ["ok   one    1", "FIX  other  2", "            -> do this"]


def test_the_page_of_costs_shows_what_is_reckoned() -> None:
    page = (ROOT / "docs" / "COST.md").read_text()
    for stack in ("dev", "staging", "prod"):
        settings = settings_of(stack)
        assert markdown(settings) in page, stack
        assert sum(each.usd for each in estimate(settings)) < settings.budget_usd
    for rate in (50_000, 500_000):
        assert all(f"{usd:,.0f}" in page for usd in data_transfer(rate, 1).values())


def test_infra_imports_nothing_of_the_application() -> None:
    for path in (ROOT / "infra").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [each for each in names if each.split(".")[0] in ("depthcast", "functions")], path
