"""``make drill STACK=dev``: stop the feed and a task of the API, fail the database over, and say how long
each took."""

import argparse
import time

from infra.tools.aws import client, until, wait_for_steady
from infra.tools.console import configuration, fail, outputs, say
from infra.tools.smoke import look
from infra.tools.stack import region_of

__all__ = ["main"]


def main() -> None:
    """Break things that should mend by themselves; end with an error where one does not."""
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("--even-prod", action="store_true", help="in production, too")
    given = parser.parse_args()
    if configuration(given.stack).get("depthcast:stage") == "prod" and not given.even_prod:
        fail("a drill interrupts whoever reads: in production say ARGS=--even-prod")
    found, region = outputs(given.stack), region_of(given.stack)
    say("before")
    look(found, region)
    report = {name: _stop_a_task(found, region, name) for name in ("feed", "api")}
    if found["database"]:
        report["database"] = _fail_over(found, region)
    say("after")
    look(found, region)
    for name, took_s in report.items():
        say(f"{name:<9} was back after {took_s:.0f} s")


def _stop_a_task(found: dict[str, object], region: str, name: str) -> float:
    ecs = client("ecs", region)
    cluster, services = found["cluster"], found["services"]
    assert isinstance(services, dict)  # noqa: S101 - our own output
    assert isinstance(cluster, str)  # noqa: S101
    tasks = ecs.list_tasks(cluster=cluster, serviceName=services[name], desiredStatus="RUNNING")["taskArns"]
    if not tasks:
        fail(f"{name}: no task runs; there is nothing to stop")
    begun = time.monotonic()
    say(f"{name}: stopping {tasks[0].rsplit('/', 1)[-1]}")
    ecs.stop_task(cluster=cluster, task=tasks[0], reason="drill")

    def replaced() -> bool:
        running = ecs.list_tasks(cluster=cluster, serviceName=services[name], desiredStatus="RUNNING")[
            "taskArns"
        ]
        if tasks[0] in running or len(running) < len(tasks):
            return False
        described = ecs.describe_tasks(cluster=cluster, tasks=running)["tasks"]
        return all(each["lastStatus"] == "RUNNING" for each in described)

    until(name, replaced, limit_s=600)
    wait_for_steady(ecs, cluster, [services[name]])
    return time.monotonic() - begun


def _fail_over(found: dict[str, object], region: str) -> float:
    """To the other zone, where there is one; else it is only started again."""
    rds = client("rds", region)
    name = found["database"]

    def available() -> bool:
        instance = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return bool(instance["DBInstanceStatus"] == "available")

    two = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["MultiAZ"]
    say(f"database: {'failing over' if two else 'one zone only: starting it again'}")
    begun = time.monotonic()
    rds.reboot_db_instance(DBInstanceIdentifier=name, ForceFailover=bool(two))
    until("database", lambda: not available(), limit_s=120)
    until("database", available, limit_s=900)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
