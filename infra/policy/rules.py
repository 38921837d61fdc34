"""The rules. Each is a function of a resource's type and properties that gives what is wrong with it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["RULES", "Properties", "Rule", "wildcards"]

Properties = Mapping[str, Any]

_LONGEST_LOG_DAYS: Final = 731
_REQUIRED_TAGS: Final = ("project", "stack")
_TAGGED: Final = frozenset(
    {
        "aws:ec2/vpc:Vpc",
        "aws:ecs/cluster:Cluster",
        "aws:ecs/service:Service",
        "aws:kms/key:Key",
        "aws:lambda/function:Function",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:rds/instance:Instance",
        "aws:s3/bucket:Bucket",
        "aws:sqs/queue:Queue",
    }
)
"""What costs something, and so is found in the bill by its tags."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name, what it asks for, and what finds offences."""

    name: str
    text: str
    check: Callable[[str, Properties], Iterable[str]]


def no_public_database(kind: str, props: Properties) -> Iterator[str]:
    """A database is reached from within its VPC, and no group lets everybody to its port."""
    if kind == "aws:rds/instance:Instance" and props.get("publiclyAccessible"):
        yield "publiclyAccessible must be false"
    if kind == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
        everybody = props.get("cidrIpv4") == "0.0.0.0/0" or props.get("cidrIpv6") == "::/0"
        low, high = props.get("fromPort"), props.get("toPort")
        all_ports = props.get("ipProtocol") == "-1" or low is None or high is None
        if everybody and (all_ports or int(low or 0) <= 5432 <= int(high or 0)):
            yield "everybody may reach PostgreSQL's port"


def encrypted(kind: str, props: Properties) -> Iterator[str]:
    """What keeps data encrypts it, with a key of ours where it is data of the market or of its readers."""
    needed: dict[str, tuple[str, ...]] = {
        "aws:rds/instance:Instance": ("storageEncrypted", "kmsKeyId", "performanceInsightsKmsKeyId"),
        "aws:sqs/queue:Queue": ("kmsMasterKeyId",),
        "aws:sns/topic:Topic": ("kmsMasterKeyId",),
        "aws:secretsmanager/secret:Secret": ("kmsKeyId",),
        "aws:cloudwatch/logGroup:LogGroup": ("kmsKeyId",),
        "aws:ecr/repository:Repository": ("encryptionConfigurations",),
    }
    for name in needed.get(kind, ()):
        if not props.get(name):
            yield f"{name} must be given"
    tls = kind == "aws:lb/listener:Listener" and props.get("protocol") in ("TLS", "HTTPS")
    if tls and "TLS13" not in str(props.get("sslPolicy", "")):
        yield "sslPolicy must be one of TLS 1.2 and 1.3 only"


def no_public_bucket(kind: str, props: Properties) -> Iterator[str]:
    """Buckets are nobody's but ours."""
    if kind == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            if not props.get(name):
                yield f"{name} must be true"
    if kind == "aws:s3/bucketAcl:BucketAcl" and str(props.get("acl", "")).startswith("public"):
        yield "no public list"


def no_wildcards(kind: str, props: Properties) -> Iterator[str]:
    """No statement allows all of a service, or all services, on everything."""
    if kind in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
        document = props.get("policy")
        yield from wildcards(json.loads(document) if isinstance(document, str) else document or {})
    attached = str(props.get("policyArn", ""))
    if kind.endswith(":RolePolicyAttachment") and attached.endswith(":policy/AdministratorAccess"):
        yield "AdministratorAccess is for nobody"


def wildcards(document: Mapping[str, Any]) -> Iterator[str]:
    """The statements of a policy that allow actions with a star on all resources."""
    for statement in _list(document.get("Statement")):
        if statement.get("Effect") != "Allow":
            continue
        stars = [action for action in _list(statement.get("Action")) if "*" in action]
        if "NotAction" in statement or "NotResource" in statement:
            yield "a statement allows whatever it does not name"
        elif stars and "*" in _list(statement.get("Resource")):
            yield f"{', '.join(stars)} on every resource"


def tagged(kind: str, props: Properties) -> Iterator[str]:
    """What costs something says whose it is."""
    if kind in _TAGGED:
        tags = {**(props.get("tags") or {}), **(props.get("tagsAll") or {})}
        for name in _REQUIRED_TAGS:
            if name not in tags:
                yield f"no tag {name}: aws:defaultTags of the stack's file has it"


def logs_end(kind: str, props: Properties) -> Iterator[str]:
    """Logs are kept for a while, not for ever."""
    if kind == "aws:cloudwatch/logGroup:LogGroup":
        days = int(props.get("retentionInDays") or 0)
        if not 1 <= days <= _LONGEST_LOG_DAYS:
            yield f"retentionInDays must be 1 to {_LONGEST_LOG_DAYS}, is {days or 'for ever'}"


def containers_are_closed(kind: str, props: Properties) -> Iterator[str]:
    """A container writes nowhere but where it says, and holds no secrets in plain variables."""
    if kind != "aws:ecs/taskDefinition:TaskDefinition":
        return
    text = props.get("containerDefinitions")
    for container in json.loads(text) if isinstance(text, str) else ():
        if not container.get("readonlyRootFilesystem"):
            yield f"container {container['name']}: readonlyRootFilesystem must be true"
        for variable in container.get("environment", ()):
            if variable["name"].endswith(("_KEY", "_PASSWORD", "_SECRET")):
                yield f"container {container['name']}: {variable['name']} belongs to its secrets"


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


RULES: Final = tuple(
    Rule(check.__name__.replace("_", "-"), (check.__doc__ or "").strip(), check)
    for check in (
        no_public_database,
        encrypted,
        no_public_bucket,
        no_wildcards,
        tagged,
        logs_end,
        containers_are_closed,
    )
)
