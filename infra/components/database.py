"""The database: PostgreSQL of RDS, or one that is there. Both are described to the services in the same
words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from infra.components.roles import Statement, allow, role
from infra.components.security import DATABASE_PORT

__all__ = ["Access", "RdsArgs", "RdsDatabase", "external_access", "external_port"]

OWNER: Final = "depthcast_owner"
_NAME: Final = "depthcast"
_CERTIFICATES: Final = "/srv/depthcast/environments/rds.pem"
"""In the image: Amazon's authorities for RDS."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a service connects as a role: its variables, and the statements of its own role."""

    variables: Mapping[str, pulumi.Input[str]]
    statements: Sequence[Statement]


@dataclass(frozen=True, slots=True, kw_only=True)
class RdsArgs:
    """Attributes: subnet_ids, group: where. key: of KMS. account, region. The others as in
    `infra.settings.Settings`."""

    subnet_ids: Sequence[pulumi.Input[str]]
    group: pulumi.Input[str]
    key: pulumi.Input[str]
    account: pulumi.Input[str]
    region: pulumi.Input[str]
    instance: str
    storage_gib: int
    storage_max_gib: int
    multi_az: bool
    backup_days: int
    insights: str
    protect: bool


class RdsDatabase(pulumi.ComponentResource):
    """An instance of RDS. Services prove who they are by tokens of IAM; the owner's password is RDS's own
    secret."""

    def __init__(self, name: str, args: RdsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:RdsDatabase", name, None, opts)
        self._args = args
        here = pulumi.ResourceOptions(parent=self)
        subnets = aws.rds.SubnetGroup(name, subnet_ids=list(args.subnet_ids), opts=here)
        parameters = aws.rds.ParameterGroup(
            name,
            family="postgres17",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=key, value=value)
                for key, value in {
                    "rds.force_ssl": "1",
                    "log_min_duration_statement": "5000",
                    "idle_in_transaction_session_timeout": "300000",
                    "lock_timeout": "60000",
                }.items()
            ],
            opts=here,
        )
        watches = role(
            f"{name}-watch",
            "monitoring.rds.amazonaws.com",
            [],
            parent=self,
            managed=["AmazonRDSEnhancedMonitoringRole"],
        )
        self.instance = aws.rds.Instance(
            name,
            engine="postgres",
            engine_version="17",
            instance_class=args.instance,
            db_name=_NAME,
            username=OWNER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args.key,
            iam_database_authentication_enabled=True,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            port=DATABASE_PORT,
            publicly_accessible=False,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args.group],
            parameter_group_name=parameters.name,
            allocated_storage=args.storage_gib,
            max_allocated_storage=args.storage_max_gib,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=args.key,
            multi_az=args.multi_az,
            backup_retention_period=args.backup_days,
            backup_window="03:00-03:30",
            maintenance_window="sun:04:00-sun:05:00",
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            apply_immediately=not args.protect,
            deletion_protection=args.protect,
            delete_automated_backups=not args.protect,
            skip_final_snapshot=not args.protect,
            final_snapshot_identifier=f"{name}-final" if args.protect else None,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=args.key,
            performance_insights_retention_period=465 if args.insights == "advanced" else 7,
            database_insights_mode=args.insights,
            monitoring_interval=60,
            monitoring_role_arn=watches,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.register_outputs({"address": self.instance.address})

    def access(self, user: str) -> Access:
        """As a role that has ``rds_iam``."""
        may_connect = allow(
            "rds-db:connect",
            pulumi.Output.concat(
                "arn:aws:rds-db:",
                self._args.region,
                ":",
                self._args.account,
                ":dbuser:",
                self.instance.resource_id,
                f"/{user}",
            ),
        )
        return Access(self._variables(user) | {"DEPTHCAST_DATABASE_AUTH": "iam"}, [may_connect])

    def owner_access(self) -> Access:
        """As the owner of the schemas, by the secret that RDS keeps and rotates."""
        secret = self.instance.master_user_secrets[0].secret_arn
        more: dict[str, pulumi.Input[str]] = {
            "DEPTHCAST_DATABASE_AUTH": "secret",
            "DEPTHCAST_DATABASE_SECRET_ID": secret,
        }
        return Access(
            self._variables(OWNER) | more,
            [allow("secretsmanager:GetSecretValue", secret), allow("kms:Decrypt", self._args.key)],
        )

    def _variables(self, user: str) -> dict[str, pulumi.Input[str]]:
        port = f":{DATABASE_PORT}/{_NAME}"
        return {
            "DEPTHCAST_DATABASE_URL": pulumi.Output.concat(
                f"postgresql://{user}@", self.instance.address, port
            ),
            "DEPTHCAST_DATABASE_TLS_ROOT": _CERTIFICATES,
        }


def external_access(url: str, user: str, secret_arn: str, tls_root: str) -> Access:
    """Of a database that is there: the password is in a secret, whose key is AWS's own or lets this
    account use it."""
    parts = urlsplit(url)
    address = f"postgresql://{user}@{parts.netloc}{parts.path}"
    return Access(
        {
            "DEPTHCAST_DATABASE_URL": address,
            "DEPTHCAST_DATABASE_TLS_ROOT": tls_root,
            "DEPTHCAST_DATABASE_AUTH": "secret",
            "DEPTHCAST_DATABASE_SECRET_ID": secret_arn,
        },
        [allow("secretsmanager:GetSecretValue", secret_arn)],
    )


def external_port(url: str) -> int:
    """The port of an address."""
    return urlsplit(url).port or DATABASE_PORT
