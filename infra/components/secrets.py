"""Secrets: made once from random bytes of AWS, kept in Secrets Manager, never printed.

The values are made at the first ``up`` and left alone after it: whoever changes one there (``depthcast
keys``,
a rotation) is not overruled.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

__all__ = ["Secrets", "SecretsArgs", "first_keys"]

_SMOKE_ID: Final = "smoke777"
_MADE: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsArgs:
    """Attributes: key: of KMS. protect: whether a deleted secret may be had back for a while."""

    key: pulumi.Input[str]
    protect: bool


class Secrets(pulumi.ComponentResource):
    """What our own services know of each other, and the keys of their clients.

    Attributes:
        gateway: the key with which the API subscribes.
        gateway_keys: the keys of subscribers: ``depthcast keys`` with ``keys.store=secretsmanager``.
        api_keys: the API's keys, hashed.
        smoke: a key of the API, for looking at a deployment.
        session: what sessions of browsers are signed with.
    """

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Secrets", name, None, opts)
        self._name = name
        self._args = args
        self.gateway = self._secret("gateway-key", pulumi.Output.concat("db-", self._random(29)))
        self.session = self._secret("session", self._random(48))
        smoke = self._random(43).apply(lambda text: f"dck_{_SMOKE_ID}_{text}")
        self.smoke = self._secret("smoke-key", smoke)
        self.api_keys = self._secret("api-keys", smoke.apply(first_keys))
        self.gateway_keys = self._secret("gateway-keys", json.dumps({"version": 1, "keys": []}))
        self.register_outputs({})

    def _random(self, length: int) -> pulumi.Output[str]:
        found = aws.secretsmanager.get_random_password_output(
            exclude_punctuation=True,
            include_space=False,
            password_length=length,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        return pulumi.Output.secret(found.random_password)

    def _secret(self, what: str, value: pulumi.Input[str]) -> aws.secretsmanager.Secret:
        secret = aws.secretsmanager.Secret(
            f"{self._name}-{what}",
            kms_key_id=self._args.key,
            recovery_window_in_days=7 if self._args.protect else 0,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.secretsmanager.SecretVersion(
            f"{self._name}-{what}",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(value),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["secretString"]),
        )
        return secret


def first_keys(token: str) -> str:
    """The API's keys with this one alone: its hash, not the key."""
    key = {
        "id": _SMOKE_ID,
        "name": "smoke",
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "scopes": ["read", "replay"],
        "created": _MADE,
    }
    return json.dumps({"version": 1, "keys": [key]})
