"""``make preflight STACK=...``: what would stop a deployment, before it does; with what to do about it."""

import argparse
import ipaddress
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.settings import Settings, SettingsError
from infra.settings.model import NO_DIGEST
from infra.tools.aws import client
from infra.tools.console import ROOT, Check, configuration, fail, say, table
from infra.tools.costs import estimate
from infra.tools.stack import region_of, settings_of

__all__ = ["checks", "main", "subject", "without_aws"]

_EXAMPLES: Final = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
_WHO_AM_I: Final = "https://checkip.amazonaws.com"
_FARGATE_QUOTA: Final = "L-3032A538"
_ADDRESS_QUOTA: Final = "L-0263D0A3"
_LAMBDA_QUOTA: Final = "L-B99A9384"
_FEWEST_INVOCATIONS: Final = 20

Client = Callable[[str], Any]


def main() -> None:
    """Print the table; end with an error if something is to be done first."""
    parser = argparse.ArgumentParser(prog="make preflight", description=__doc__)
    parser.add_argument("stack")
    stack = parser.parse_args().stack
    try:
        settings = settings_of(stack)
    except SettingsError as error:
        fail(str(error))
    region = region_of(stack)
    account = subject(configuration("main", ROOT / "infra" / "bootstrap"))
    found = [*without_aws(settings), account, *checks(settings, lambda service: client(service, region))]
    say(table(found))
    usd = sum(item.usd for item in estimate(settings))
    say(f"\nabout {usd:,.0f} USD a month before it is used (docs/COST.md); budget {settings.budget_usd}")
    if not all(each.ok for each in found):
        fail("\nnot yet: see what is marked FIX")


def without_aws(settings: Settings) -> Iterator[Check]:
    """What the tree and this machine say."""
    for name in ("pulumi", "aws", *(("docker",) if not settings.image_digest else ())):
        yield Check(
            f"command {name}",
            shutil.which(name) is not None,
            shutil.which(name) or "not found",
            f"install {name}; docs/DEPLOY.md says which version",
        )
    examples = [
        cidr
        for cidr in (*settings.allowed_cidrs, *settings.gateway_cidrs)
        if any(
            ipaddress.ip_network(cidr).overlaps(ipaddress.ip_network(each))
            for each in _EXAMPLES
            if ipaddress.ip_network(cidr).version == 4
        )
    ]
    yield Check(
        "networks let in",
        not examples,
        ", ".join(settings.allowed_cidrs) or "everybody",
        f"{', '.join(examples)} stands for yours; ask `curl {_WHO_AM_I}`, and write ADDRESS/32",
    )
    if settings.tls:
        yield Check(
            "domain is one's own",
            not settings.domain.endswith(".example"),
            settings.domain,
            "depthcast:domain and depthcast:hostedZoneId are examples: give yours",
        )
    if settings.image_digest:
        yield Check(
            "image",
            settings.image_digest != NO_DIGEST,
            settings.image_digest[:19] + "...",
            "nothing was promoted yet: make deploy STACK=... DIGEST=sha256:... of what dev runs",
        )


def checks(settings: Settings, service: Client) -> Iterator[Check]:
    """What AWS says. Without credentials that is the only finding."""
    identity = _asked(
        "credentials",
        lambda: str(service("sts").get_caller_identity()["Account"]),
        "`aws sso login`, or the variables AWS_...; see docs/DEPLOY.md",
    )
    yield identity
    if not identity.ok:
        return
    yield from _registry(settings, service, identity.found)
    yield from _quotas(settings, service)
    if settings.tls:
        yield _zone(settings, service)
    yield _provider(service)


def _asked(name: str, ask: Callable[[], str], fix: str) -> Check:
    try:
        return Check(name, ok=True, found=ask())
    except (BotoCoreError, ClientError) as error:
        return Check(name, ok=False, found=str(error), fix=fix)


def _registry(settings: Settings, service: Client, account: str) -> Iterator[Check]:
    """The bootstrap was run, and the image is there."""
    registry = settings.registry_account or account
    ecr = service("ecr")

    def repository() -> str:
        found = ecr.describe_repositories(registryId=registry, repositoryNames=[settings.registry_repository])
        return str(found["repositories"][0]["repositoryUri"])

    yield _asked("bootstrap", repository, "run infra/bootstrap first: cd infra/bootstrap && pulumi up")
    for name, repo, wanted in (
        ("image there", settings.registry_repository, {"imageDigest": settings.image_digest}),
        ("collector there", *_split(settings.collector_image)),
    ):
        if repo and any(wanted.values()) and settings.image_digest != NO_DIGEST:

            def there(repo: str = repo, wanted: dict[str, str] = wanted) -> str:
                ecr.describe_images(registryId=registry, repositoryName=repo, imageIds=[wanted])
                return ", ".join(wanted.values())[:40]

            yield _asked(name, there, f"{repo} has no such image: docs/DEPLOY.md says how it comes there")


def _split(image: str) -> tuple[str, dict[str, str]]:
    if "@" in image:
        repository, digest = image.split("@")
        return repository, {"imageDigest": digest}
    repository, _, tag = image.partition(":")
    return repository, {"imageTag": tag}


def _quotas(settings: Settings, service: Client) -> Iterator[Check]:
    cores = (settings.feed_cpu + settings.api_cpu * settings.api_max * 2) / 1024
    quotas = service("service-quotas")
    for name, where, code, least in (
        ("quota: Fargate cores", "fargate", _FARGATE_QUOTA, cores),
        ("quota: addresses", "ec2", _ADDRESS_QUOTA, float(settings.nat_gateways)),
        ("quota: functions at once", "lambda", _LAMBDA_QUOTA, float(_FEWEST_INVOCATIONS)),
    ):
        fix = (
            f"ask for more: aws service-quotas request-service-quota-increase --service-code {where} "
            f"--quota-code {code} --desired-value {max(least * 2, 100):.0f}"
        )
        try:
            value = float(quotas.get_service_quota(ServiceCode=where, QuotaCode=code)["Quota"]["Value"])
        except (BotoCoreError, ClientError) as error:
            ask = "let who deploys ask for quotas: servicequotas:GetServiceQuota"
            yield Check(name, ok=False, found=str(error), fix=ask)
        else:
            yield Check(name, value >= least, f"{value:g}, at most {least:g} wanted", fix)


def _zone(settings: Settings, service: Client) -> Check:
    """The zone is there, has the domain, and its name servers are those that the world asks."""

    def zone() -> str:
        name = str(
            service("route53").get_hosted_zone(Id=settings.hosted_zone_id)["HostedZone"]["Name"]
        ).rstrip(".")
        if settings.domain != name and not settings.domain.endswith(f".{name}"):
            raise ClientError(
                {"Error": {"Message": f"it is of {name}, not of {settings.domain}"}}, "GetHostedZone"
            )
        return name

    fix = "infra/bootstrap makes a zone (its `domain`); enter its nameServers where the domain was bought"
    return _asked("hosted zone", zone, fix)


def _provider(service: Client) -> Check:
    """GitHub's tokens are known, if workflows are to deploy."""
    arns = [
        each["Arn"] for each in service("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    ]
    known = any("token.actions.githubusercontent.com" in arn for arn in arns)
    text = "yes: by the roles of infra/bootstrap" if known else "no; by hand only"
    return Check("GitHub may deploy", ok=True, found=text)


def subject(values: Mapping[str, Any]) -> Check:
    """Whether the account's configuration names this repository, as its tokens will."""
    found = str(values.get("depthcast-bootstrap:githubSubject") or "")
    fix = (
        "in infra/bootstrap/Pulumi.main.yaml: repo:OWNER/NAME, or as `gh api "
        "repos/OWNER/NAME/actions/oidc/customization/sub` says; and the number of the repository"
    )
    return Check("subject of tokens", ok="example" not in found, found=found or "none: by hand only", fix=fix)


if __name__ == "__main__":
    main()
