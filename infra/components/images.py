"""Which images run: by their digest, from the registry that infra/bootstrap makes."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

__all__ = ["Images", "ImagesArgs"]

_CHECKOUT: Final = ".."
"""From infra/, where Pulumi runs the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesArgs:
    """Attributes.

    registry_account: whose registry. region: where. repository: the image's name there. digest: which
    one; empty
    to build it from this checkout. tag: of one that is built. collector: REPOSITORY:TAG of the collector;
    empty for none.
    """

    registry_account: pulumi.Input[str]
    region: pulumi.Input[str]
    repository: str
    digest: str
    tag: str
    collector: str


class Images(pulumi.ComponentResource):
    """Attributes: uri: of the image, with its digest. digest: that alone. collector: the collector's, or
    None."""

    def __init__(self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Images", name, None, opts)
        registry = pulumi.Output.concat(args.registry_account, ".dkr.ecr.", args.region, ".amazonaws.com")
        name_there = args.repository if args.digest else f"{args.repository}-built"
        repository = pulumi.Output.concat(registry, "/", name_there)
        self.digest = (
            pulumi.Output.from_input(args.digest)
            if args.digest
            else self._built(name, args, registry, repository)
        )
        self.uri = pulumi.Output.concat(repository, "@", self.digest)
        self.collector = pulumi.Output.concat(registry, "/", args.collector) if args.collector else None
        self.register_outputs({"uri": self.uri})

    def _built(
        self, name: str, args: ImagesArgs, registry: pulumi.Output[str], repository: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        """Build it here and push it. The environment must have BUILDX_NO_DEFAULT_ATTESTATIONS=1: Lambda
        takes no index."""
        login = aws.ecr.get_authorization_token_output(
            registry_id=args.registry_account, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        image = docker_build.Image(
            name,
            context=docker_build.BuildContextArgs(location=_CHECKOUT),
            dockerfile=docker_build.DockerfileArgs(location=f"{_CHECKOUT}/Dockerfile"),
            platforms=[docker_build.Platform.LINUX_AMD64],
            tags=[pulumi.Output.concat(repository, ":", args.tag)],
            push=True,
            build_on_preview=False,
            registries=[
                docker_build.RegistryArgs(
                    address=registry, username=login.user_name, password=pulumi.Output.secret(login.password)
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return image.digest
