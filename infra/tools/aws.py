"""Clients of AWS, and what several tools ask it."""

import time
from collections.abc import Callable
from typing import Any, Final

import boto3

from infra.tools.console import fail, say

__all__ = ["client", "running_digests", "until", "wait_for_steady"]

_POLL_S: Final = 10


def client(service: str, region: str) -> Any:
    """A client of one of AWS's services."""
    return boto3.client(service, region_name=region)


def wait_for_steady(ecs: Any, cluster: str, services: list[str], *, limit_s: float = 1500) -> None:
    """Wait until the newest deployment of each service is complete. A rolled back one looks steady, but
    is not.

    ECS says of a deployment that its circuit breaker undid: FAILED; and makes the one before the primary
    again.
    """
    until = time.monotonic() + limit_s
    waits = set(services)
    while waits:
        for service in ecs.describe_services(cluster=cluster, services=sorted(waits))["services"]:
            name, deployments = service["serviceName"], service["deployments"]
            failed = [each for each in deployments if each.get("rolloutState") == "FAILED"]
            if failed:
                fail(
                    f"{name}: the deployment failed: {failed[0].get('rolloutStateReason', 'no reason given')}"
                )
            (primary,) = (each for each in deployments if each["status"] == "PRIMARY")
            if primary.get("rolloutState") == "COMPLETED" and len(deployments) == 1:
                say(f"{name}: {primary['runningCount']} of {primary['desiredCount']} tasks run")
                waits.discard(name)
        if waits and time.monotonic() > until:
            late = ", ".join(sorted(waits))
            fail(f"not steady after {limit_s:.0f} s: {late}. `aws ecs describe-services` says why")
        if waits:
            time.sleep(_POLL_S)


def running_digests(ecs: Any, cluster: str, service: str) -> set[str]:
    """The digests of the images that a service's own containers run now."""
    arns = ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus="RUNNING")["taskArns"]
    if not arns:
        return set()
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return {
        container["imageDigest"]
        for task in tasks
        for container in task["containers"]
        if container["name"] in ("feed", "api") and "imageDigest" in container
    }


def until(what: str, holds: Callable[[], bool], *, limit_s: float, every_s: float = 2.0) -> float:
    """Wait until something holds; how many seconds it took. Ends all where it never does."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > limit_s:
            fail(f"{what}: not within {limit_s:.0f} s")
        time.sleep(every_s)
    return time.monotonic() - begun
