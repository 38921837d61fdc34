"""The dashboard of a stack: what flows, how late it is, what waits, what it stands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["Dashboard", "DashboardArgs", "Graph", "Line"]

_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3


@dataclass(frozen=True, slots=True)
class Line:
    """A metric in a graph: where it is, its dimensions by turns name and value, how it is put together."""

    namespace: str
    metric: str
    dimensions: Sequence[pulumi.Input[str]]
    statistic: str = "Average"


@dataclass(frozen=True, slots=True)
class Graph:
    """Some metrics that are looked at together."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardArgs:
    """Attributes: region. graphs: in their order, three a row."""

    region: pulumi.Input[str]
    graphs: Sequence[Graph]


class Dashboard(pulumi.ComponentResource):
    """Attributes: name: as CloudWatch has it."""

    def __init__(self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Dashboard", name, None, opts)
        widgets = [_widget(number, graph, args.region) for number, graph in enumerate(args.graphs)]
        dashboard = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=name,  # CloudWatch names it by nothing else; a stack has one
            dashboard_body=pulumi.Output.json_dumps({"widgets": widgets}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = dashboard.dashboard_name
        self.register_outputs({"name": self.name})


def _widget(number: int, graph: Graph, region: pulumi.Input[str]) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": number % _COLUMNS * _WIDTH,
        "y": number // _COLUMNS * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": graph.title,
            "region": region,
            "view": "timeSeries",
            "period": 60,
            "metrics": [
                [line.namespace, line.metric, *line.dimensions, {"stat": line.statistic}]
                for line in graph.lines
            ],
        },
    }
