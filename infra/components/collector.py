"""The collector beside our tasks: it reads the metrics that they offer, and takes the traces of the
functions.

Of metrics only those on the list go on, and no label of instruments: a stack has some thirty series, of
the hundred
that its budget allows.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.components.roles import Statement, allow
from infra.components.security import TRACES_PORT
from infra.components.tasks import Container

__all__ = ["API_METRICS", "FEED_METRICS", "collector", "statements"]

Metrics = Mapping[tuple[str, ...], Sequence[str]]

FEED_METRICS: Final[Metrics] = {
    (): (
        "depthcast_feed_records_total",
        "depthcast_feed_late_seconds",
        "depthcast_feed_ring_bytes",
        "depthcast_gateway_sessions",
        "depthcast_gateway_started",
        "depthcast_book_live_orders",
        "depthcast_book_memory_bytes",
        "depthcast_book_count",
        "depthcast_journal_failing",
        "depthcast_journal_uploaded_segments_total",
    ),
    ("consumer",): ("depthcast_feed_lag_batches",),
}
"""By the labels that they keep, beside ``service``."""

API_METRICS: Final[Metrics] = {
    (): (
        "depthcast_stream_clients",
        "depthcast_stream_subscriptions",
        "depthcast_replica_live",
        "depthcast_replica_age_seconds",
        "depthcast_replica_records_total",
        "depthcast_replica_gaps_total",
        "depthcast_replica_live_orders",
        "depthcast_replica_memory_bytes",
        "depthcast_api_rate_limited_total",
    ),
}

_EVERY: Final = "60s"


def collector(
    service: str,
    port: int,
    metrics: Metrics,
    *,
    image: pulumi.Input[str],
    namespace: str,
    group: aws.cloudwatch.LogGroup,
    region: pulumi.Input[str],
    traces: bool = False,
) -> Container:
    """The collector beside a task of a service whose metrics are at a port. It is not essential: data
    goes on without."""
    config = pulumi.Output.all(group.name, region).apply(
        lambda both: json.dumps(_config(service, port, metrics, namespace, *both, traces=traces))
    )
    return Container(
        name="collector",
        image=image,
        environment={"AOT_CONFIG_CONTENT": config},  # it reads JSON as the YAML that it is
        ports=[TRACES_PORT] if traces else [],
        essential=False,
        state=False,
    )


def statements(group: aws.cloudwatch.LogGroup) -> list[Statement]:
    """What the role of a task with a collector must allow besides."""
    return [
        allow(
            ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            pulumi.Output.concat(group.arn, ":*"),
        ),
        # X-Ray knows no resources here.
        allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"),
    ]


def _config(
    service: str, port: int, metrics: Metrics, namespace: str, group: str, region: str, *, traces: bool
) -> dict[str, Any]:
    names = sorted(name for each in metrics.values() for name in each)
    scrape = {
        "job_name": service,
        "scrape_interval": _EVERY,
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"service": service}}],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "|".join(names), "action": "keep"},
        ],
    }
    config: dict[str, Any] = {
        "receivers": {"prometheus": {"config": {"scrape_configs": [scrape]}}},
        "processors": {
            "batch": {"timeout": "10s"},
            "memory_limiter": {"check_interval": "1s", "limit_mib": 128},
        },
        "exporters": {
            "awsemf": {
                "region": region,
                "namespace": namespace,
                "log_group_name": group,
                "log_stream_name": service + "-{TaskId}",
                "dimension_rollup_option": "NoDimensionRollup",
                "metric_declarations": [
                    {
                        "dimensions": [["service", *labels]],
                        "metric_name_selectors": [f"^{name}$" for name in chosen],
                    }
                    for labels, chosen in metrics.items()
                ],
            }
        },
        "service": {
            "pipelines": {
                "metrics": {
                    "receivers": ["prometheus"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["awsemf"],
                }
            }
        },
    }
    if traces:
        config["receivers"]["otlp"] = {"protocols": {"http": {"endpoint": f"0.0.0.0:{TRACES_PORT}"}}}
        config["exporters"]["awsxray"] = {"region": region}
        config["service"]["pipelines"]["traces"] = {
            "receivers": ["otlp"],
            "processors": ["memory_limiter", "batch"],
            "exporters": ["awsxray"],
        }
    return config
