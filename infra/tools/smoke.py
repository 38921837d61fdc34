"""``make smoke STACK=...``: run `depthcast smoke` as a task within the VPC of a stack, and show what it
says."""

import argparse
from typing import Any

from infra.tools.aws import client, until
from infra.tools.console import fail, outputs, say
from infra.tools.stack import region_of

__all__ = ["look", "main"]


def main() -> None:
    """Look at a stack from within, or end with an error."""
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("stack")
    stack = parser.parse_args().stack
    look(outputs(stack), region_of(stack))


def look(found: dict[str, object], region: str) -> None:
    """Run the task that a stack's outputs name, and wait for its end."""
    ecs, logs = client("ecs", region), client("logs", region)
    smoke = found["smoke"]
    assert isinstance(smoke, dict)  # noqa: S101 - our own output
    started = ecs.run_task(
        cluster=found["cluster"],
        taskDefinition=smoke["task"],
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": smoke["subnets"], "securityGroups": [smoke["group"]]}
        },
    )
    if started["failures"]:
        fail(f"the task was not started: {started['failures'][0].get('reason')}")
    arn = started["tasks"][0]["taskArn"]

    def ended() -> bool:
        return bool(describe()["lastStatus"] == "STOPPED")

    def describe() -> dict[str, Any]:
        return dict(ecs.describe_tasks(cluster=found["cluster"], tasks=[arn])["tasks"][0])

    until("smoke", ended, limit_s=900, every_s=5)
    definition = ecs.describe_task_definition(taskDefinition=smoke["task"])["taskDefinition"]
    group = definition["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-group"]
    stream = f"smoke/smoke/{arn.rsplit('/', 1)[-1]}"
    for event in logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]:
        say(event["message"])
    task = describe()
    (container,) = task["containers"]
    if container.get("exitCode") != 0:
        fail(f"smoke: exit code {container.get('exitCode')}; {task.get('stoppedReason', '')}")


if __name__ == "__main__":
    main()
