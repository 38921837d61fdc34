"""Pulumi programs built without an engine: every resource is written down, with what it was given and
waits for."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pulumi
import yaml
from pulumi.runtime import mocks

__all__ = [
    "ACCOUNT",
    "DIGEST",
    "REGION",
    "ROOT",
    "Built",
    "Resource",
    "build_with",
    "configuration",
    "documents",
]

ROOT: Final = Path(__file__).resolve().parents[2]
ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"
DIGEST: Final = "sha256:" + "5" * 64
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - what marks one in Pulumi's protocol
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as it was registered."""

    kind: str
    name: str
    urn: str
    inputs: dict[str, Any]
    depends_on: frozenset[str]
    ignores: tuple[str, ...]
    protected: bool
    secrets: frozenset[str]

    @property
    def id(self) -> str:
        """What others refer to it by."""
        return f"{self.kind.rsplit('/')[-1]}/{self.name}"


@dataclass(slots=True)
class Built:
    """All resources of a stack, its outputs, and which of these are secret."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: set[str] = field(default_factory=set)

    def of(self, kind: str) -> list[Resource]:
        """The resources of a type such as ``ec2/subnet:Subnet``."""
        return [each for each in self.resources if each.kind == f"aws:{kind}"]

    def one(self, kind: str, name: str = "") -> Resource:
        """The one of a type whose name ends so."""
        found = [each for each in self.of(kind) if each.name.endswith(name)]
        assert len(found) == 1, (kind, name, [each.name for each in self.of(kind)])
        return found[0]

    def waits_for(self, late: Resource, early: Resource) -> bool:
        """Whether one is made after another, by whatever steps."""
        by_urn = {each.urn: each for each in self.resources}
        seen: set[str] = set()
        todo = [late.urn]
        while todo:
            urn = todo.pop()
            if urn == early.urn:
                return True
            if urn not in seen:
                seen.add(urn)
                todo.extend(by_urn[urn].depends_on if urn in by_urn else ())
        return False


def build_with(program: Callable[[], Mapping[str, Any]], stack: str, project: str = "depthcast") -> Built:
    """Run a program that gives its outputs."""
    built = Built()
    pulumi.runtime.set_mocks(_Answers(), project, stack, preview=False, monitor=_Recorder(_Answers(), built))

    secret: dict[str, asyncio.Future[bool]] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> pulumi.Output[Any]:
        outputs = {key: pulumi.Output.from_input(value) for key, value in program().items()}
        secret.update({key: asyncio.ensure_future(value.is_secret()) for key, value in outputs.items()})
        return pulumi.Output.all(**outputs).apply(built.outputs.update)

    run()
    built.secret_outputs.update(key for key, found in secret.items() if found.result())
    return built


class _Recorder(mocks.MockMonitor):
    def __init__(self, answers: mocks.Mocks, built: Built) -> None:
        super().__init__(answers)
        self._built = built
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - Pulumi's name
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type == "pulumi:pulumi:Stack":
            return answer
        from pulumi.runtime import rpc

        inputs = rpc.deserialize_properties(request.object)
        with self._lock:
            self._built.resources.append(
                Resource(
                    kind=request.type,
                    name=request.name,
                    urn=answer.urn,
                    inputs=_plain(inputs),
                    depends_on=frozenset(request.dependencies),
                    ignores=tuple(request.ignoreChanges),
                    protected=bool(request.protect),
                    secrets=frozenset(key for key, value in inputs.items() if _is_secret(value)),
                )
            )
        return answer


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(_SIGNATURE) == _SECRET


def _plain(value: Any) -> Any:
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


class _Answers(mocks.Mocks):
    """What AWS would say, as far as the program asks."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        short = args.typ.rsplit("/")[-1]
        made = f"{short}/{args.name}"
        state = {
            "address": f"{args.name}.address",
            "arn": f"arn:aws:{short.split(':')[0]}:{REGION}:{ACCOUNT}:{args.name}",
            "arnSuffix": f"suffix/{args.name}",
            "bucket": args.name,
            "digest": DIGEST,
            "dnsName": f"{args.name}.dns",
            "domainValidationOptions": [
                {"resourceRecordName": "_p", "resourceRecordType": "CNAME", "resourceRecordValue": "_v"}
            ],
            "fqdn": args.name,
            "identifier": args.name,
            "masterUserSecrets": [{"secretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:owner"}],
            "name": args.name,
            "prefixListId": "pl-s3",
            "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{args.name}",
            "resourceId": f"db-{args.name}",
            "url": f"https://sqs/{args.name}",
            "zoneId": "Z1",
            "nameServers": ["ns-1", "ns-2"],
        }
        return made, {**state, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:index/getRegion:getRegion": {"region": REGION},
            "aws:index/getAvailabilityZones:getAvailabilityZones": {
                "names": [REGION + each for each in "abc"]
            },
            "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
                "userName": "AWS",
                "password": "hidden-login",
            },
            "aws:secretsmanager/getRandomPassword:getRandomPassword": {
                "randomPassword": ("hidden" * 10)[: int(args.args.get("passwordLength", 0))]
            },
        }
        return {**args.args, **answers[args.token]}, []


def configuration(stack: str, folder: Path = ROOT) -> dict[str, Any]:
    """The keys of a stack's file, as they stand there."""
    found = yaml.safe_load((folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    return dict(found["config"])


def configure(values: Mapping[str, Any]) -> None:
    """Have `pulumi.Config` say this."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    pulumi.runtime.set_all_config(texts)


def documents(built: Built) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each policy of IAM that belongs to a role or user, by the name of what has it."""
    for each in built.resources:
        if each.kind in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
            yield each.name, json.loads(each.inputs["policy"])
