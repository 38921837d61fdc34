"""The configuration: every key is declared, every combination either builds or says what is wrong."""

import itertools
from typing import Any

import pulumi
import pytest
import yaml

from infra.settings import Settings, SettingsError, load
from infra.settings.load import KEYS, camel
from tests.support.stacks import DIGEST, ROOT, configuration, configure

DECLARED: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def loaded(stack: str = "dev", **changed: Any) -> Settings:
    """The settings of a stack's file, but for some keys; None takes one away."""
    values = configuration(stack) | {f"depthcast:{key}": value for key, value in changed.items()}
    configure({key: value for key, value in values.items() if value is not None})
    return load(pulumi.Config("depthcast"), stack)


def test_every_key_is_declared_and_no_other() -> None:
    assert set(DECLARED) == KEYS


def test_declared_defaults_are_those_of_the_program() -> None:
    settings = {camel(name): getattr(Settings(stack="s", stage="dev"), name) for name in Settings.__slots__}
    for key, declared in DECLARED.items():
        assert declared["description"]
        if key != "stage":
            found = tuple(declared["default"]) if declared["type"] == "array" else declared["default"]
            assert found == settings[key], key


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_stack_files_have_known_keys_a_region_and_tags(stack: str) -> None:
    values = configuration(stack)
    assert {key.removeprefix("depthcast:") for key in values if key.startswith("depthcast:")} <= KEYS
    assert values["aws:region"]
    assert values["aws:defaultTags"]["tags"] == {"project": "depthcast", "stack": stack}
    assert loaded(stack).stage == stack


@pytest.mark.parametrize(
    ("stack", "changed", "said"),
    [
        ("dev", {"stage": None}, "stage: missing"),
        ("dev", {"stage": "production"}, "stage: 'production'"),
        ("dev", {"apiMin": "many"}, "apiMin: expected an integer"),
        ("dev", {"anonymousRead": "perhaps"}, "anonymousRead: expected true or false"),
        ("dev", {"allowedCidrs": "{}"}, "allowedCidrs: expected a list"),
        ("dev", {"allowedCidrs": []}, "allowedCidrs: without a domain"),
        ("dev", {"allowedCidrs": ["0.0.0.0/0"]}, "allowedCidrs: without a domain"),
        ("dev", {"allowedCidrs": ["203.0.113.7/24"]}, "no network such as"),
        ("dev", {"vpcCidr": "8.8.0.0/16"}, "vpcCidr: "),
        ("dev", {"vpcCidr": "10.0.0.0/20"}, "vpcCidr: "),
        ("dev", {"zones": 1}, "zones: 1"),
        ("prod", {"natGateways": 2}, "natGateways: 2"),
        ("dev", {"natGateways": 0}, "interfaceEndpoints: true"),
        ("dev", {"feedExposure": "public"}, "feedExposure: public needs a domain"),
        ("prod", {"feedExposure": "public"}, "gatewayCidrs: the gateway is public"),
        ("dev", {"feedExposure": "open"}, "feedExposure: 'open'"),
        ("staging", {"domain": ""}, "staging needs one"),
        ("prod", {"hostedZoneId": ""}, "hostedZoneId: give the zone"),
        ("prod", {"imageDigest": ""}, "imageDigest: prod runs what was promoted"),
        ("prod", {"imageDigest": "latest"}, "imageDigest: 'latest'"),
        ("dev", {"registryAccount": "12"}, "registryAccount: '12'"),
        ("dev", {"collectorImage": "https://x/y:z"}, "collectorImage: "),
        ("dev", {"source": "file.dbn"}, "source: 'file.dbn'"),
        ("dev", {"source": "databento://GLBX.MDP3"}, "sourceSecretArn: "),
        ("dev", {"source": "s3://bucket/day.dbn.zst"}, "anonymousRead: market data has licences"),
        ("dev", {"feedCpu": 1000}, "feedCpu: 1000"),
        ("dev", {"feedMemory": 1024}, "feedMemory: 1024"),
        ("dev", {"feedDiskGib": 500}, "feedDiskGib: 500"),
        ("dev", {"apiMin": 5, "apiMax": 2}, "apiMin: 5 to apiMax: 2"),
        ("dev", {"apiClientsPerTask": 20000}, "apiClientsPerTask: 20000"),
        ("dev", {"databaseKind": "mysql"}, "databaseKind: 'mysql'"),
        ("dev", {"databaseInsights": "advanced"}, "advanced is not for db.t"),
        ("prod", {"databaseMultiAz": False}, "databaseMultiAz: prod needs it"),
        ("dev", {"databaseUrl": "postgresql://h/n"}, "databaseUrl: RDS has an address"),
        ("dev", {"databaseKind": "external"}, "databaseUrl: external needs"),
        (
            "dev",
            {"databaseKind": "external", "databaseUrl": "postgresql://u:p@h/n"},
            "leave user and password out",
        ),
        ("dev", {"functionsConcurrency": 1}, "functionsConcurrency: 1"),
        ("dev", {"logDays": 31}, "logDays: 31"),
        ("dev", {"journalDays": 5}, "journalDays: 5"),
        ("prod", {"protect": False}, "protect: prod needs it"),
        ("prod", {"alarmEmail": ""}, "alarmEmail: prod needs somebody"),
    ],
)
def test_what_cannot_be_is_said_plainly(stack: str, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(stack, **changed)
    assert said in str(caught.value)
    assert f"Pulumi.{stack}.yaml" in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded("dev", zones=9, feedCpu=7, logDays=0)
    assert all(key in str(caught.value) for key in ("zones", "feedCpu", "logDays"))


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_every_size_of_fargate_is_taken(stack: str) -> None:
    sizes = [
        (256, 512),
        (512, 4096),
        (1024, 8192),
        (2048, 4096),
        (4096, 30720),
        (8192, 61440),
        (16384, 122880),
    ]
    for (feed, feed_memory), (api, api_memory) in itertools.product(sizes, sizes):
        changed = {"feedCpu": feed, "feedMemory": feed_memory, "apiCpu": api, "apiMemory": api_memory}
        assert loaded(stack, imageDigest=DIGEST, **changed).api_cpu == api
