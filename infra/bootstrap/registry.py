"""Where images are: tags that cannot be moved, scanned, for the accounts and functions that run them."""

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_aws as aws

__all__ = ["Registry"]

_PULL: Final = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]


class Registry(pulumi.ComponentResource):
    """Attributes: images, built, collector: repositories."""

    def __init__(
        self,
        name: str,
        account: pulumi.Input[str],
        region: pulumi.Input[str],
        pullers: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("depthcast:bootstrap:Registry", name, None, opts)
        self._accounts: list[pulumi.Input[str]] = [account, *pullers]
        self._region = region
        self.images = self._repository(name, "IMMUTABLE")
        # What `pulumi up` builds of a checkout, in dev: its tag, the stack's name, moves.
        self.built = self._repository(f"{name}-built", "MUTABLE")
        self.collector = self._repository(f"{name}-collector", "IMMUTABLE")
        self.register_outputs({"images": self.images.repository_url})

    def _repository(self, name: str, mutability: str) -> aws.ecr.Repository:
        here = pulumi.ResourceOptions(parent=self)
        repository = aws.ecr.Repository(
            name,
            name=name,  # stacks of other accounts find it by this name
            image_tag_mutability=mutability,
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256")
            ],
            opts=here,
        )
        aws.ecr.RepositoryPolicy(name, repository=repository.name, policy=self._policy(), opts=here)
        aws.ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=pulumi.Output.json_dumps(
                {
                    "rules": [
                        {
                            "rulePriority": 1,
                            "description": "What has no tag any more",
                            "selection": {
                                "tagStatus": "untagged",
                                "countType": "sinceImagePushed",
                                "countUnit": "days",
                                "countNumber": 30,
                            },
                            "action": {"type": "expire"},
                        }
                    ]
                }
            ),
            opts=here,
        )
        return repository

    def _policy(self) -> pulumi.Output[str]:
        roots = [pulumi.Output.concat("arn:aws:iam::", each, ":root") for each in self._accounts]
        functions = [
            pulumi.Output.concat("arn:aws:lambda:", self._region, ":", each, ":function:*")
            for each in self._accounts
        ]
        return pulumi.Output.json_dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": "Accounts", "Effect": "Allow", "Principal": {"AWS": roots}, "Action": _PULL},
                    {
                        "Sid": "Functions",
                        "Effect": "Allow",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": _PULL,
                        "Condition": {"ArnLike": {"aws:SourceArn": functions}},
                    },
                ],
            }
        )
