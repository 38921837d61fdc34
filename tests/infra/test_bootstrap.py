"""What an account needs first."""

import json
from typing import Any

import pulumi
import pytest
import yaml

from infra.bootstrap.account import build
from infra.bootstrap.settings import KEYS, BootstrapError, load
from infra.policy.rules import wildcards
from tests.support.stacks import ROOT, Built, build_with, configuration, configure, documents

FOLDER = ROOT / "infra" / "bootstrap"
PROJECT = "depthcast-bootstrap"


def account(**changed: Any) -> Built:
    """The account of the tree's file, but for some keys."""
    values = configuration("main", FOLDER) | {f"{PROJECT}:{key}": value for key, value in changed.items()}
    configure(values)
    return build_with(lambda: build(load(pulumi.Config(PROJECT))), "main", PROJECT)


@pytest.fixture(scope="module")
def made() -> Built:
    return account()


def trust(made: Built, name: str) -> dict[str, Any]:
    """Who may take a role."""
    document = json.loads(made.one("iam/role:Role", name).inputs["assumeRolePolicy"])
    condition: dict[str, Any] = document["Statement"][0]["Condition"]["StringEquals"]
    return {key.split(":")[-1]: value for key, value in condition.items()}


def test_every_key_is_declared_and_no_other() -> None:
    assert set(yaml.safe_load((FOLDER / "Pulumi.yaml").read_text())["config"]) == KEYS


def test_a_role_is_taken_by_its_own_environment_of_its_own_repository(made: Built) -> None:
    for stage in ("dev", "staging", "prod"):
        found = trust(made, f"deploy-{stage}")
        assert found["aud"] == "sts.amazonaws.com"
        assert found["repository_id"] == "123456789"
        assert found["sub"] == [f"repo:example/depthcast:environment:{stage}"]


def test_subjects_with_numbers_are_taken_as_they_are() -> None:
    numbered = account(githubSubject="repo:example@12/depthcast@345", githubRepositoryId="345")
    assert trust(numbered, "deploy-prod")["sub"] == ["repo:example@12/depthcast@345:environment:prod"]


def test_who_previews_changes_nothing_and_sees_no_secrets(made: Built) -> None:
    statements = dict(documents(made))["depthcast-preview"]["Statement"]
    allowed = {action for each in statements if each["Effect"] == "Allow" for action in each["Action"]}
    assert not {each for each in allowed if each.split(":")[1].startswith(("Put", "Delete", "Create"))}
    denied = {action for each in statements if each["Effect"] == "Deny" for action in each["Action"]}
    assert "secretsmanager:GetSecretValue" in denied


def test_who_deploys_makes_roles_under_one_path_only(made: Built) -> None:
    for name, document in documents(made):
        assert not list(wildcards(document)), name
        for statement in document["Statement"]:
            if any(action.startswith("iam:") for action in statement["Action"]):
                assert (
                    "/depthcast/*" in statement["Resource"] or "/aws-service-role/" in statement["Resource"]
                )


def test_images_cannot_be_replaced_and_functions_may_take_them(made: Built) -> None:
    tags = {each.name: each.inputs["imageTagMutability"] for each in made.of("ecr/repository:Repository")}
    assert tags == {
        "depthcast": "IMMUTABLE",
        "depthcast-collector": "IMMUTABLE",
        "depthcast-built": "MUTABLE",
    }
    for each in made.of("ecr/repository:Repository"):
        assert each.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = made.of("ecr/repositoryPolicy:RepositoryPolicy")[0].inputs["policy"]
    assert "lambda.amazonaws.com" in policy


def test_the_state_outlives_everything(made: Built) -> None:
    assert made.one("s3/bucket:Bucket").protected
    assert made.one("kms/key:Key").protected


@pytest.mark.parametrize(
    "changed",
    [
        {"githubSubject": "", "githubRepositoryId": ""},
        {"stages": ["prod"], "registry": False},
        {"pullers": ["210987654321"]},
        {"githubProvider": False, "domain": "depthcast.example"},
    ],
)
def test_what_may_be_combined_builds(changed: dict[str, Any]) -> None:
    assert account(**changed).outputs["stateUrl"].startswith("s3://")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stages": ["test"]}, "stages: "),
        ({"githubSubject": "repo:example/*"}, "githubSubject: "),
        ({"githubRepositoryId": ""}, "githubRepositoryId: "),
        ({"githubSubject": ""}, "but no subject"),
        ({"pullers": ["12"]}, "pullers: "),
        ({"registry": False, "pullers": ["210987654321"]}, "no registry here"),
    ],
)
def test_what_cannot_be_is_said_plainly(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(BootstrapError) as caught:
        account(**changed)
    assert said in str(caught.value)
