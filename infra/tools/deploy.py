"""``make deploy STACK=...``: verify the image, `pulumi up`, wait, and compare what runs with what was
meant to."""

import argparse
import os
import re

from infra.settings.model import NO_DIGEST
from infra.tools.aws import client, running_digests, wait_for_steady
from infra.tools.console import configuration, fail, outputs, run, say
from infra.tools.stack import region_of, settings_of

__all__ = ["main"]


def main() -> None:
    """Deploy a stack, or end with an error that says what is not as it should be."""
    parser = argparse.ArgumentParser(prog="make deploy", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("--digest", default="", help="the image; else the one of the stack's file")
    parser.add_argument("--repository", default=os.environ.get("GITHUB_REPOSITORY", ""), help="OWNER/NAME")
    given = parser.parse_args()
    stage = configuration(given.stack).get("depthcast:stage")
    digest = given.digest or str(configuration(given.stack).get("depthcast:imageDigest") or "")
    if digest and (digest == NO_DIGEST or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)):
        fail(f"no image was promoted to {given.stack}: give DIGEST=sha256:... of one that dev runs")
    if digest and stage != "dev":
        _verify(given.stack, digest, given.repository)
    # Lambda takes no image index, which is what a build with attestations is.
    os.environ["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    more = ["--config", f"depthcast:imageDigest={digest}"] if given.digest else []
    run("pulumi", "up", "--yes", "--stack", given.stack, "--policy-pack", "infra/policy", *more)
    _compare(given.stack)


def _verify(stack: str, digest: str, repository: str) -> None:
    """Whether the image was built by this repository's workflow, by its attestation."""
    if not repository:
        fail("whose image is it? Set GITHUB_REPOSITORY=OWNER/NAME, so that its attestation can be verified")
    settings, region = settings_of(stack), region_of(stack)
    account = settings.registry_account or client("sts", region).get_caller_identity()["Account"]
    images = f"{account}.dkr.ecr.{region}.amazonaws.com/{settings.registry_repository}"
    run("gh", "attestation", "verify", f"oci://{images}@{digest}", "--repo", repository)


def _compare(stack: str) -> None:
    """`pulumi up` is content when ECS has taken a deployment; we are when it runs."""
    found = outputs(stack)
    ecs = client("ecs", region_of(stack))
    services = dict(found["services"])
    wait_for_steady(ecs, found["cluster"], list(services.values()))
    for name, service in services.items():
        digests = running_digests(ecs, found["cluster"], service)
        if digests != {found["imageDigest"]}:
            fail(f"{name} runs {', '.join(sorted(digests)) or 'nothing'}, not {found['imageDigest']}")
    say(f"{stack} runs {found['imageDigest']}\npage     {found['page']}\ngateway  {found['gateway']}")
    say(f"numbers  {found['dashboard']}\nfirst key of a subscriber:\n  {found['firstKey']}")


if __name__ == "__main__":
    main()
