"""Who reaches whom, worked out of groups and routes."""

import json

from tests.infra.conftest import built
from tests.support.reach import Reach
from tests.support.stacks import Built


def task_subnets(stack: Built, name: str) -> list[str]:
    """Where a service's tasks are."""
    return list(stack.one("ecs/service:Service", name).inputs["networkConfiguration"]["subnets"])


def test_subscribers_reach_the_feed_by_the_balancer_alone(stack: Built) -> None:
    reach = Reach(stack)
    assert reach.enters("gateway", 13000, "10.20.1.1")
    assert not reach.enters("gateway", 13000), "internal means internal"
    assert reach.speaks("gateway", "feed", 13000)
    assert reach.speaks("gateway", "feed", 13080), "its health is asked there"
    assert not reach.enters("feed", 13000)
    assert not reach.enters("feed", 13080)


def test_readers_reach_the_api_by_the_balancer_alone(stack: Built) -> None:
    reach = Reach(stack)
    tls = bool(stack.of("acm/certificate:Certificate"))
    assert reach.enters("balancer", 443 if tls else 80, "203.0.113.7")
    assert reach.enters("balancer", 80) == tls, "without TLS only who is named"
    assert reach.speaks("balancer", "api", 8000)
    assert not reach.enters("api", 8000)


def test_services_reach_what_they_need(stack: Built) -> None:
    reach = Reach(stack)
    assert reach.speaks("api", "feed", 13000)
    assert reach.speaks("api", "database", 5432)
    assert reach.speaks("functions", "database", 5432)
    assert reach.speaks("functions", "feed", 4318), "traces"
    assert reach.speaks("smoke", "api", 8000)
    assert reach.speaks("smoke", "feed", 13000)
    assert all(reach.leaves(role, 443) for role in ("feed", "api", "functions", "smoke")), "AWS"


def test_nothing_else_reaches_the_database(stack: Built) -> None:
    reach = Reach(stack)
    assert reach.sources("database") == {reach.group("api"), reach.group("functions")}
    instance = stack.one("rds/instance:Instance")
    assert instance.inputs["vpcSecurityGroupIds"] == [reach.group("database")]
    assert not instance.inputs["publiclyAccessible"]
    subnets = stack.one("rds/subnetGroup:SubnetGroup").inputs["subnetIds"]
    assert [reach.way_out(each) for each in subnets] == [None] * len(subnets)
    assert not any(reach.leaves("database", port) for port in (443, 5432))


def test_tasks_have_a_way_out_and_none_in(stack: Built) -> None:
    reach = Reach(stack)
    for name in ("-feed", "-api"):
        assert {reach.way_out(each) for each in task_subnets(stack, name)} == {"nat"}
    functions = stack.one("lambda/function:Function", "-compact").inputs["vpcConfig"]["subnetIds"]
    assert {reach.way_out(each) for each in functions} == {"nat"}
    page = stack.one("lb/loadBalancer:LoadBalancer", "-api").inputs
    assert not page["internal"]
    assert {reach.way_out(each) for each in page["subnets"]} == {"internet"}


def test_the_feed_reaches_no_gateway_but_its_source(stacks: dict[str, Built]) -> None:
    assert not Reach(stacks["prod"]).leaves("feed", 13000)
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:databento"
    follows = built("prod", source="databento://GLBX.MDP3", sourceSecretArn=arn)
    assert Reach(follows).leaves("feed", 13000)
    assert not Reach(follows).leaves("api", 13000)


def test_without_a_nat_gateway_aws_is_reached_within_the_vpc() -> None:
    reach = Reach(built("dev", natGateways=0, interfaceEndpoints=True))
    assert all(reach.speaks(role, "endpoints", 443) for role in ("feed", "api", "functions", "smoke"))
    assert not any(reach.leaves(role, port) for role in reach.groups() for port in (80, 443, 5432, 13000))
    assert {reach.way_out(each) for each in task_subnets(reach.built, "-feed")} == {None}
    services = [each.inputs["serviceName"] for each in reach.built.of("ec2/vpcEndpoint:VpcEndpoint")]
    needed = ("s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "sqs", "kms")
    assert {f"com.amazonaws.eu-central-1.{each}" for each in needed} <= set(services)


def test_a_public_gateway_is_open_to_those_named() -> None:
    stack = built("prod", feedExposure="public", gatewayCidrs=["198.51.100.0/24"])
    reach = Reach(stack)
    assert reach.enters("gateway", 13001)
    assert not reach.enters("gateway", 13001, "192.0.2.1")
    balancer = stack.one("lb/loadBalancer:LoadBalancer", "-feed").inputs
    assert not balancer["internal"]
    assert {reach.way_out(each) for each in balancer["subnets"]} == {"internet"}


def test_an_external_database_is_reached_on_its_port() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
    stack = built(
        "dev",
        databaseKind="external",
        databaseUrl="postgresql://db.tiger.example:31234/tsdb",
        databaseOwner="tsdbadmin",
        databaseOwnerSecretArn=f"{arn}owner",
        databaseWriterSecretArn=f"{arn}writer",
        databaseReaderSecretArn=f"{arn}reader",
    )
    reach = Reach(stack)
    assert not stack.of("rds/instance:Instance")
    assert reach.leaves("api", 31234)
    assert reach.leaves("functions", 31234)
    assert not reach.leaves("feed", 31234)
    variables = stack.one("lambda/function:Function", "-migrate").inputs["environment"]["variables"]
    assert variables["DEPTHCAST_DATABASE_URL"] == "postgresql://tsdbadmin@db.tiger.example:31234/tsdb"
    assert variables["DEPTHCAST_DATABASE_AUTH"] == "secret"
    task = stack.one("ecs/taskDefinition:TaskDefinition", "-api").inputs
    api = next(each for each in json.loads(task["containerDefinitions"]) if each["name"] == "api")
    assert {"name": "DEPTHCAST_DATABASE_SECRET_ID", "value": f"{arn}reader"} in api["environment"]
