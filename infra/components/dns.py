"""The certificate of a domain, and its names."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

__all__ = ["Certificate", "CertificateArgs", "name_balancer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateArgs:
    """Attributes: domain: with all names one level below. zone_id: of Route 53, where it is proven."""

    domain: str
    zone_id: str


class Certificate(pulumi.ComponentResource):
    """Attributes: arn: of the certificate, once it is valid. AWS renews it while its record stays."""

    def __init__(self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Certificate", name, None, opts)
        here = pulumi.ResourceOptions(parent=self)
        certificate = aws.acm.Certificate(
            name,
            domain_name=args.domain,
            subject_alternative_names=[f"*.{args.domain}"],
            validation_method="DNS",
            opts=here,
        )
        # The name and those below it are proven by one record.
        option = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{name}-proof",
            zone_id=args.zone_id,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=300,
            allow_overwrite=True,
            opts=here,
        )
        valid = aws.acm.CertificateValidation(
            name, certificate_arn=certificate.arn, validation_record_fqdns=[record.fqdn], opts=here
        )
        self.arn = valid.certificate_arn
        self.register_outputs({"arn": self.arn})


def name_balancer(
    name: str, zone_id: str, domain: str, balancer: aws.lb.LoadBalancer, *, parent: pulumi.Resource
) -> aws.route53.Record:
    """Let a name lead to a load balancer."""
    return aws.route53.Record(
        name,
        zone_id=zone_id,
        name=domain,
        type="A",
        aliases=[
            aws.route53.RecordAliasArgs(
                name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True
            )
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )
