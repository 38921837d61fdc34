"""The stacks as they are built: their order, their permissions, what they show and what they hide."""

import json
import re
from typing import Any

import pytest

from infra.components.collector import API_METRICS, FEED_METRICS
from tests.infra.conftest import built
from tests.support.stacks import DIGEST, ROOT, Built, documents

OURS = re.compile(r"depthcast_[a-z_]+")


def containers(stack: Built, task: str) -> dict[str, dict[str, Any]]:
    """A task's containers by name."""
    found = json.loads(stack.one("ecs/taskDefinition:TaskDefinition", task).inputs["containerDefinitions"])
    return {each["name"]: each for each in found}


def variables(container: dict[str, Any]) -> dict[str, str]:
    """Its variables."""
    return {each["name"]: each["value"] for each in container["environment"]}


def test_names_are_given_once(stack: Built) -> None:
    urns = [each.urn for each in stack.resources]
    assert len(urns) == len(set(urns))


def test_the_schema_is_migrated_before_anything_uses_it(stack: Built) -> None:
    migrated = stack.one("lambda/invocation:Invocation")
    assert stack.waits_for(migrated, stack.one("rds/instance:Instance"))
    assert migrated.inputs["triggers"]["digest"] == stack.outputs["imageDigest"]
    users = [
        stack.one("ecs/service:Service", "-api"),
        stack.one("lambda/eventSourceMapping:EventSourceMapping"),
        stack.one("cloudwatch/eventRule:EventRule"),
    ]
    assert all(stack.waits_for(each, migrated) for each in users)


def test_nobody_takes_a_role_before_it_has_its_rights(stack: Built) -> None:
    for which in ("compact", "maintain", "migrate"):
        function = stack.one("lambda/function:Function", f"-{which}")
        assert stack.waits_for(function, stack.one("iam/rolePolicy:RolePolicy", f"-{which}"))
        attached = stack.one("iam/rolePolicyAttachment:RolePolicyAttachment", f"-{which}-0")
        assert stack.waits_for(function, attached)
    task = stack.one("ecs/taskDefinition:TaskDefinition", "-api")
    assert stack.waits_for(task, stack.one("iam/rolePolicy:RolePolicy", "-api-start"))
    page = stack.one("lb/loadBalancer:LoadBalancer", "-api")
    assert stack.waits_for(page, stack.one("s3/bucketPolicy:BucketPolicy", "-access")), (
        "it writes there at once"
    )


def test_s3_tells_the_queue_once_it_may(stack: Built) -> None:
    notice = stack.one("s3/bucketNotification:BucketNotification")
    assert stack.waits_for(notice, stack.one("sqs/queuePolicy:QueuePolicy"))
    (queue,) = notice.inputs["queues"]
    assert queue["filterSuffix"] == ".index.json"
    assert queue["filterPrefix"] == "feeds/journal/"


def test_the_queue_waits_six_times_as_long_as_the_function(stack: Built) -> None:
    timeout = stack.one("lambda/function:Function", "-compact").inputs["timeout"]
    assert stack.one("sqs/queue:Queue", "-segments").inputs["visibilityTimeoutSeconds"] >= 6 * timeout


def test_all_run_one_image_by_its_digest(stack: Built) -> None:
    digest = stack.outputs["imageDigest"]
    images = {each.inputs["imageUri"] for each in stack.of("lambda/function:Function")}
    for task in ("-feed", "-api", "-smoke"):
        images |= {each["image"] for name, each in containers(stack, task).items() if name != "collector"}
    assert len(images) == 1
    assert re.search(rf"/depthcast(-built)?@{digest}$", images.pop())


def test_dev_builds_its_image_and_the_others_never(stacks: dict[str, Built]) -> None:
    kind = "docker-build:index:Image"
    assert [each for each in stacks["dev"].resources if each.kind == kind]
    assert not [each for name in ("staging", "prod") for each in stacks[name].resources if each.kind == kind]
    assert not [each for each in built("dev", imageDigest=DIGEST).resources if each.kind == kind]


def test_functions_are_started_as_lambda_needs_it(stack: Built) -> None:
    for each in stack.of("lambda/function:Function"):
        which = each.name.rsplit("-", 1)[-1]
        config = each.inputs["imageConfig"]
        assert config["entryPoints"] == ["python", "-m", "awslambdaric"]
        assert config["commands"] == [f"functions.{which}.handler.handler"]
        assert (ROOT / "functions" / which / "handler.py").is_file()
        assert config["workingDirectory"] == "/srv/depthcast"


def test_the_feed_is_never_twice_and_has_time_to_end(stack: Built) -> None:
    service = stack.one("ecs/service:Service", "-feed").inputs
    assert (service["deploymentMinimumHealthyPercent"], service["deploymentMaximumPercent"]) == (0, 100)
    assert containers(stack, "-feed")["feed"]["stopTimeout"] == 120
    target = stack.one("lb/targetGroup:TargetGroup", "-feed").inputs
    assert int(target["deregistrationDelay"]) >= 120
    assert target["preserveClientIp"] == "true"
    assert target["targetHealthStates"] == [{"enableUnhealthyConnectionTermination": False}]


def test_what_is_kept_alive_is_kept_longer_by_the_service(stack: Built) -> None:
    assert stack.one("lb/loadBalancer:LoadBalancer", "-api").inputs["idleTimeout"] == 300


def test_the_api_believes_the_balancers_subnets(stack: Built) -> None:
    api = variables(containers(stack, "-api")["api"])
    subnets = set(stack.one("lb/loadBalancer:LoadBalancer", "-api").inputs["subnets"])
    cidrs = {each.inputs["cidrBlock"] for each in stack.of("ec2/subnet:Subnet") if each.id in subnets}
    assert set(api["DEPTHCAST_API_TRUSTED_PROXIES"].split(",")) == cidrs


def test_variables_are_settings_that_the_program_has(stack: Built) -> None:
    known = {
        "DEPTHCAST_" + key.upper().replace(".", "_")
        for key in re.findall(
            r"^\| `([a-z_]+\.[a-z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.M
        )
    }
    known |= {"DEPTHCAST_ENVIRONMENT", "DEPTHCAST_KEY", "DEPTHCAST_API_KEY"}
    used: set[str] = set()
    for task in ("-feed", "-api", "-smoke"):
        for each in containers(stack, task).values():
            used |= set(variables(each)) | {secret["name"] for secret in each["secrets"]}
    for function in stack.of("lambda/function:Function"):
        used |= set(function.inputs["environment"]["variables"])
    assert {each for each in used if each.startswith("DEPTHCAST_")} <= known


def test_no_role_may_do_everything(stack: Built) -> None:
    """Of the actions on every resource there are only those that know no resources."""
    without_resources = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    for name, document in documents(stack):
        for statement in document["Statement"]:
            assert not any(action.endswith("*") for action in statement["Action"]), name
            resources = statement["Resource"]
            if "*" in (resources if isinstance(resources, list) else [resources]):
                assert set(statement["Action"]) <= without_resources, name


def test_who_compacts_may_not_own_and_who_reads_may_not_write(stack: Built) -> None:
    def connects(name: str) -> str:
        text = dict(documents(stack))[
            f"depthcast-{stack.outputs['cluster'].removeprefix('depthcast-')}-{name}"
        ]
        return json.dumps([each for each in text["Statement"] if each["Action"] == ["rds-db:connect"]])

    assert "depthcast_writer" in connects("compact")
    assert "depthcast_writer" in connects("maintain")
    assert "depthcast_reader" in connects("api")
    assert connects("feed") == "[]"


def test_nothing_secret_is_shown(stack: Built) -> None:
    assert not stack.secret_outputs
    assert "hidden" not in json.dumps(stack.outputs)
    for each in stack.resources:
        shown = {key: value for key, value in each.inputs.items() if key not in each.secrets}
        assert "hiddenhidden" not in json.dumps(shown), each.name
    versions = stack.of("secretsmanager/secretVersion:SecretVersion")
    assert all("secretString" in each.secrets and "secretString" in each.ignores for each in versions)


def test_keys_that_are_made_are_keys(stack: Built) -> None:
    from depthcast.api.keys import ApiKeyRing

    values = {
        each.name.removeprefix(stack.outputs["cluster"] + "-"): each.inputs["secretString"]
        for each in stack.of("secretsmanager/secretVersion:SecretVersion")
    }
    assert len(values["gateway-key"]) == 32
    assert values["gateway-key"].startswith("db-")
    key = ApiKeyRing.from_json(values["api-keys"]).find(values["smoke-key"])
    assert key is not None
    assert key.name == "smoke"
    assert len(values["session"]) >= 32


def emitted() -> set[str]:
    """Every metric of feed and API as Prometheus reads it, by their sources."""
    found: set[str] = set()
    for path in ("feed/metrics.py", "api/metrics.py"):
        text = (ROOT / "app" / "depthcast" / path).read_text()
        names = {name for name in OURS.findall(text) if not name.endswith("_")}
        for prefix in re.findall(r'f"(depthcast_[a-z]+_)\{name', text):
            names |= {prefix + word for word in re.findall(r'"([a-z_]+)"', text)}
        found |= names | {f"{name}_total" for name in names}
    return found


def emitted_by_functions() -> set[str]:
    """Every metric of the functions, as docs/functions.md lists them."""
    return set(re.findall(r"`([A-Z][A-Za-z]+)`", (ROOT / "docs" / "functions.md").read_text()))


def test_dashboards_and_alarms_name_metrics_that_there_are(stack: Built) -> None:
    widgets = json.loads(stack.one("cloudwatch/dashboard:Dashboard").inputs["dashboardBody"])["widgets"]
    metrics = {tuple(each[:2]) for widget in widgets for each in widget["properties"]["metrics"]}
    metrics |= {
        (each.inputs["namespace"], each.inputs["metricName"])
        for each in stack.of("cloudwatch/metricAlarm:MetricAlarm")
    }
    ours = {name for namespace, name in metrics if namespace.startswith("Depthcast/")}
    collected = {name for each in (FEED_METRICS, API_METRICS) for names in each.values() for name in names}
    assert collected <= emitted()
    assert ours <= collected | emitted_by_functions()
    assert ours & emitted_by_functions()


def test_a_stack_has_few_series_and_none_an_instrument() -> None:
    labels = {label for each in (FEED_METRICS, API_METRICS) for group in each for label in group}
    assert not {label for label in labels if "instrument" in label or "symbol" in label}
    assert sum(len(names) for each in (FEED_METRICS, API_METRICS) for names in each.values()) <= 50


def test_prod_keeps_what_it_has(stacks: dict[str, Built]) -> None:
    database = stacks["prod"].one("rds/instance:Instance")
    assert database.protected
    assert database.inputs["deletionProtection"]
    assert database.inputs["multiAz"]
    assert not database.inputs["skipFinalSnapshot"]
    assert not stacks["prod"].one("s3/bucket:Bucket", "-data").inputs["forceDestroy"]
    dev = stacks["dev"].one("rds/instance:Instance")
    assert not dev.protected
    assert dev.inputs["skipFinalSnapshot"]


@pytest.mark.parametrize(
    ("stack", "changed"),
    [
        ("dev", {"zones": 3, "natGateways": 3}),
        ("dev", {"collectorImage": "depthcast-collector:v0.43.3"}),
        ("dev", {"domain": "dev.depthcast.example", "hostedZoneId": "Z1", "allowedCidrs": []}),
        ("staging", {"registryAccount": "210987654321", "allowedCidrs": ["198.51.100.0/24"]}),
        ("prod", {"source": "s3://days/CLX5.dbn.zst", "dataset": "GLBX.MDP3", "collectorImage": ""}),
        ("prod", {"journalDays": 400, "databaseInsights": "standard", "apiMin": 2, "apiMax": 2}),
    ],
)
def test_what_may_be_combined_builds(stack: str, changed: dict[str, Any]) -> None:
    found = built(stack, **changed)
    assert len(found.of("ecs/service:Service")) == 2
    assert found.outputs["page"].startswith(
        "https://" if found.of("acm/certificate:Certificate") else "http://"
    )
