"""What settings exclude. Each rule says what is wrong and what to do."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from infra.settings.model import STAGES, Settings

__all__ = ["FARGATE", "problems"]

FARGATE: Final = {
    256: range(512, 2049, 512),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
"""MiB of memory that a Fargate task of so many CPU units may have."""
_EVERYBODY: Final = ("0.0.0.0/0", "::/0")
_LOG_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557)


def problems(settings: Settings) -> list[str]:
    """A line for each thing that cannot be, beginning with its key; none if all is well."""
    return [line for rule in _RULES for line in rule(settings)]


def _stage(settings: Settings) -> Iterator[str]:
    if settings.stage not in STAGES:
        yield f"stage: {settings.stage!r}; one of {', '.join(STAGES)}"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", settings.stack):
        yield (
            f"stage: the stack's name {settings.stack!r} must have 1 to 16 of a-z, 0-9, -, and "
            f"begin with a letter"
        )


def _domain(settings: Settings) -> Iterator[str]:
    if settings.domain:
        if not re.fullmatch(r"(?=.{4,200}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", settings.domain):
            yield f"domain: {settings.domain!r} is no name such as books.example.com"
        if not settings.hosted_zone_id:
            yield "hostedZoneId: give the zone of Route 53 that the domain is in (infra/bootstrap makes one)"
        return
    if settings.hosted_zone_id:
        yield "domain: a hosted zone without a domain; give the page's name"
    if settings.stage != "dev":
        yield f"domain: {settings.stage} needs one, for TLS; only dev may do without"
    elif not settings.allowed_cidrs or set(settings.allowed_cidrs) & set(_EVERYBODY):
        yield (
            "allowedCidrs: without a domain all is plain HTTP, so say who may reach it: your own address, "
            '["203.0.113.7/32"], say; not everybody'
        )


def _networks(settings: Settings) -> Iterator[str]:
    for key, cidrs in (("allowedCidrs", settings.allowed_cidrs), ("gatewayCidrs", settings.gateway_cidrs)):
        for cidr in cidrs:
            if _network(cidr) is None:
                yield f"{key}: {cidr!r} is no network such as 203.0.113.0/24 (no bits set below the mask)"
    network = _network(settings.vpc_cidr)
    if not isinstance(network, ipaddress.IPv4Network) or network.prefixlen != 16 or not network.is_private:
        yield f"vpcCidr: {settings.vpc_cidr!r} must be a private /16, such as 10.20.0.0/16"
    if settings.zones not in (2, 3):
        yield f"zones: {settings.zones}; 2 or 3"
    if settings.nat_gateways not in (0, 1, settings.zones):
        yield f"natGateways: {settings.nat_gateways}; 0, 1 or one a zone ({settings.zones})"
    if settings.nat_gateways == 0:
        if not settings.interface_endpoints:
            yield "natGateways: 0 leaves tasks without a way to AWS; set interfaceEndpoints: true"
        if settings.shared_source or not settings.rds:
            yield "natGateways: 0 leaves no way to a source or a database outside; 1 or more"
    if settings.feed_exposure not in ("internal", "public"):
        yield f"feedExposure: {settings.feed_exposure!r}; internal or public"
    elif settings.feed_exposure == "public":
        if not settings.gateway_cidrs:
            yield "gatewayCidrs: the gateway is public, so say who may subscribe"
        if not settings.tls:
            yield "feedExposure: public needs a domain, for TLS"


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(cidr) if "/" in cidr else None
    except ValueError:
        return None


def _image(settings: Settings) -> Iterator[str]:
    if settings.image_digest:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", settings.image_digest):
            yield f"imageDigest: {settings.image_digest!r} must be sha256: and 64 hexadecimal digits"
    elif settings.stage != "dev":
        yield (
            f"imageDigest: {settings.stage} runs what was promoted to it; only dev builds an image of its own"
        )
    if settings.registry_account and not re.fullmatch(r"\d{12}", settings.registry_account):
        yield f"registryAccount: {settings.registry_account!r} must have 12 digits"
    if settings.collector_image and not re.fullmatch(
        r"[a-z0-9./_-]+(:[\w.-]+|@sha256:[0-9a-f]{64})", settings.collector_image
    ):
        yield "collectorImage: expected REPOSITORY:TAG or REPOSITORY@sha256:..., without a registry"


def _feed(settings: Settings) -> Iterator[str]:
    kinds = ("sim://", "s3://", "live://", "databento://")
    if not settings.source.startswith(kinds):
        yield f"source: {settings.source!r}; it begins with one of {', '.join(kinds)}"
    if not re.fullmatch(r"[A-Z0-9.]{1,15}", settings.dataset):
        yield f"dataset: {settings.dataset!r} must have 1 to 15 of A-Z, 0-9 and ."
    if settings.shared_source and not settings.source_secret_arn:
        yield (
            "sourceSecretArn: this source needs a key; put it in a secret of AWS Secrets Manager, "
            "give its ARN"
        )
    if settings.anonymous_read and not settings.source.startswith("sim://"):
        yield "anonymousRead: market data has licences; only a simulated source may be shown to everybody"
    yield from _size("feed", settings.feed_cpu, settings.feed_memory)
    if not 21 <= settings.feed_disk_gib <= 200:
        yield f"feedDiskGib: {settings.feed_disk_gib}; 21 to 200"


def _api(settings: Settings) -> Iterator[str]:
    yield from _size("api", settings.api_cpu, settings.api_memory)
    if not 1 <= settings.api_min <= settings.api_max <= 100:
        yield f"apiMin: {settings.api_min} to apiMax: {settings.api_max}; 1 <= apiMin <= apiMax <= 100"
    if not 10 <= settings.api_clients_per_task <= 9000:
        yield f"apiClientsPerTask: {settings.api_clients_per_task}; 10 to 9000 (a task refuses the 10,001st)"
    if not 10 <= settings.waf_requests <= 2_000_000_000:
        yield f"wafRequests: {settings.waf_requests}; 10 or more in five minutes"


def _size(which: str, cpu: int, memory: int) -> Iterator[str]:
    if cpu not in FARGATE:
        yield f"{which}Cpu: {cpu}; one of {', '.join(map(str, FARGATE))}"
    elif memory not in FARGATE[cpu]:
        allowed = FARGATE[cpu]
        yield (
            f"{which}Memory: {memory}; with {which}Cpu {cpu} from {allowed[0]} to {allowed[-1]} "
            f"in steps of {allowed.step}"
        )


def _database(settings: Settings) -> Iterator[str]:
    if settings.database_kind not in ("rds", "external"):
        yield f"databaseKind: {settings.database_kind!r}; rds or external"
    elif settings.rds:
        yield from _rds(settings)
    else:
        yield from _external(settings)


def _rds(settings: Settings) -> Iterator[str]:
    if settings.database_url:
        yield "databaseUrl: RDS has an address of its own; only databaseKind: external takes one"
    if not settings.database_instance.startswith("db."):
        yield f"databaseInstance: {settings.database_instance!r}; such as db.t4g.medium"
    if not 20 <= settings.database_storage_gib < settings.database_storage_max_gib <= 65536:
        yield "databaseStorageGib: from 20, and less than databaseStorageMaxGib (to 65536)"
    if not 1 <= settings.database_backup_days <= 35:
        yield f"databaseBackupDays: {settings.database_backup_days}; 1 to 35"
    if settings.database_insights not in ("standard", "advanced"):
        yield f"databaseInsights: {settings.database_insights!r}; standard or advanced"
    elif settings.database_insights == "advanced" and ".t" in settings.database_instance:
        yield "databaseInsights: advanced is not for db.t instances; standard"
    if settings.stage == "prod" and not settings.database_multi_az:
        yield "databaseMultiAz: prod needs it: true"


def _external(settings: Settings) -> Iterator[str]:
    parts = urlsplit(settings.database_url)
    if parts.scheme != "postgresql" or not parts.hostname or not parts.path.strip("/"):
        yield "databaseUrl: external needs postgresql://HOST:PORT/NAME"
    elif parts.username or parts.password:
        yield "databaseUrl: leave user and password out; passwords are in the secrets"
    for role in ("Owner", "Writer", "Reader"):
        arn = getattr(settings, f"database_{role.lower()}_secret_arn")
        if not arn.startswith("arn:"):
            yield f"database{role}SecretArn: the ARN of the secret with the password of the {role.lower()}"


def _keeping(settings: Settings) -> Iterator[str]:
    if settings.log_days not in _LOG_DAYS:
        yield f"logDays: {settings.log_days}; one of {', '.join(map(str, _LOG_DAYS))}"
    if settings.journal_days and settings.journal_days < 30:
        yield f"journalDays: {settings.journal_days}; 0 for ever, or 30 and more"
    if not 2 <= settings.functions_concurrency <= 100:
        yield f"functionsConcurrency: {settings.functions_concurrency}; 2 to 100"
    if not settings.protect and settings.stage == "prod":
        yield "protect: prod needs it: true"
    if settings.budget_usd < 1:
        yield f"budgetUsd: {settings.budget_usd}; 1 or more"
    for key, arn in (("sourceSecretArn", settings.source_secret_arn),):
        if arn and not arn.startswith("arn:"):
            yield f"{key}: {arn!r} is no ARN"
    if settings.alarm_email and "@" not in settings.alarm_email:
        yield f"alarmEmail: {settings.alarm_email!r} is no address"
    elif settings.stage == "prod" and not settings.alarm_email:
        yield "alarmEmail: prod needs somebody to tell"


_RULES: Final[tuple[Callable[[Settings], Iterator[str]], ...]] = (
    _stage,
    _domain,
    _networks,
    _image,
    _feed,
    _api,
    _database,
    _keeping,
)
