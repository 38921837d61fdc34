"""What is looked at in a stack: the graphs of its dashboard, and its alarms.

Metrics of our own are in the namespace ``Depthcast/STACK``: those of the feed and the API by way of the
collector, those
of the functions by their logs.
"""

from dataclasses import dataclass

import pulumi

from infra.components.alarms import Alarm
from infra.components.api import Api
from infra.components.dashboard import Graph, Line
from infra.components.database import RdsDatabase
from infra.components.feed import Feed
from infra.components.functions import Functions
from infra.components.storage import Storage
from infra.components.tasks import Cluster

__all__ = ["Watched", "alarms", "graphs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The parts of a system. ``namespace``: of our own metrics. ``collected``: whether there are those of
    feed and API."""

    namespace: str
    collected: bool
    cluster: Cluster
    feed: Feed
    api: Api
    functions: Functions
    storage: Storage
    database: RdsDatabase | None


def graphs(it: Watched) -> list[Graph]:
    """The dashboard, from what comes in to what it stands on."""
    return [
        *(_of_the_feed(it.namespace) if it.collected else []),
        *(_of_the_api(it.namespace) if it.collected else []),
        *_of_balancers(it),
        *_of_the_pipeline(it),
        *_of_machines(it),
    ]


def _of_the_feed(namespace: str) -> list[Graph]:
    def feed(metric: str, statistic: str = "Average") -> Line:
        return Line(namespace, metric, ("service", "feed"), statistic)

    def lag(consumer: str) -> Line:
        dimensions = ("consumer", consumer, "service", "feed")
        return Line(namespace, "depthcast_feed_lag_batches", dimensions, "Maximum")

    return [
        Graph("Records a minute", [feed("depthcast_feed_records_total", "Sum")]),
        Graph("How late records are published, s", [feed("depthcast_feed_late_seconds", "Maximum")]),
        Graph("Batches that books and journal have yet to see", [lag("books"), lag("journal")]),
        Graph("Subscribers", [feed("depthcast_gateway_sessions"), feed("depthcast_gateway_started")]),
        Graph("Resting orders", [feed("depthcast_book_live_orders")]),
        Graph(
            "Memory of books and ring",
            [feed("depthcast_book_memory_bytes"), feed("depthcast_feed_ring_bytes")],
        ),
        Graph(
            "Journal: segments stored, and failing",
            [
                feed("depthcast_journal_uploaded_segments_total", "Sum"),
                feed("depthcast_journal_failing", "Maximum"),
            ],
        ),
    ]


def _of_the_api(namespace: str) -> list[Graph]:
    def api(metric: str, statistic: str) -> Line:
        return Line(namespace, metric, ("service", "api"), statistic)

    return [
        Graph(
            "Streams", [api("depthcast_stream_clients", "Sum"), api("depthcast_stream_subscriptions", "Sum")]
        ),
        Graph("Books are those of now (1), in the worst task", [api("depthcast_replica_live", "Minimum")]),
        Graph("Requests over the allowance", [api("depthcast_api_rate_limited_total", "Sum")]),
    ]


def _of_balancers(it: Watched) -> list[Graph]:
    page = ("LoadBalancer", it.api.balancer.arn_suffix)
    gateway = ("LoadBalancer", it.feed.balancer.arn_suffix)
    pages, gateways = "AWS/ApplicationELB", "AWS/NetworkELB"
    return [
        Graph("Requests", [Line(pages, "RequestCount", page, "Sum")]),
        Graph("Answers, 99 of 100 within s", [Line(pages, "TargetResponseTime", page, "p99")]),
        Graph("Answers of 500 and above", [Line(pages, "HTTPCode_Target_5XX_Count", page, "Sum")]),
        Graph("Connections to the gateway", [Line(gateways, "ActiveFlowCount", gateway)]),
        Graph("Bytes through the gateway", [Line(gateways, "ProcessedBytes", gateway, "Sum")]),
    ]


def _of_the_pipeline(it: Watched) -> list[Graph]:
    def queue(name: pulumi.Input[str], metric: str) -> Line:
        return Line("AWS/SQS", metric, ("QueueName", name), "Maximum")

    def compact(metric: str, statistic: str = "Sum") -> Line:
        return Line(it.namespace, metric, ("service", "compact"), statistic)

    segments, dead = it.storage.segments.name, it.storage.dead_letters.name
    return [
        Graph("Segments compacted, rows", [compact("SegmentsCompacted"), compact("Rows")]),
        Graph("From the queue to the database, ms", [compact("MessageDelay", "Maximum")]),
        Graph(
            "Segments that wait, or were put away",
            [
                queue(segments, "ApproximateNumberOfMessagesVisible"),
                queue(dead, "ApproximateNumberOfMessagesVisible"),
                queue(segments, "ApproximateAgeOfOldestMessage"),
            ],
        ),
        Graph("Findings of maintain", [Line(it.namespace, "Alarms", ("service", "maintain"), "Maximum")]),
    ]


def _of_machines(it: Watched) -> list[Graph]:
    def service(name: pulumi.Input[str], metric: str) -> Line:
        dimensions = ("ClusterName", it.cluster.cluster.name, "ServiceName", name)
        return Line("AWS/ECS", metric, dimensions, "Maximum")

    names = (it.feed.service.name, it.api.service.name)
    found = [
        Graph("CPU of tasks, %", [service(name, "CPUUtilization") for name in names]),
        Graph("Memory of tasks, %", [service(name, "MemoryUtilization") for name in names]),
        Graph(
            "Errors of functions",
            [
                Line("AWS/Lambda", "Errors", ("FunctionName", each.name), "Sum")
                for each in it.functions.functions.values()
            ],
        ),
    ]
    if it.database is not None:
        instance = ("DBInstanceIdentifier", it.database.instance.identifier)
        found += [
            Graph("CPU of the database, %", [Line("AWS/RDS", "CPUUtilization", instance)]),
            Graph(
                "Connections to the database", [Line("AWS/RDS", "DatabaseConnections", instance, "Maximum")]
            ),
            Graph("Free storage of the database", [Line("AWS/RDS", "FreeStorageSpace", instance, "Minimum")]),
        ]
    return found


def alarms(it: Watched) -> dict[str, Alarm]:
    """Those worth waking somebody for, by name."""
    return {
        **_alarms_of_services(it),
        **(_alarms_collected(it.namespace) if it.collected else {}),
        **_alarms_of_the_pipeline(it),
        **(_alarms_of_the_database(it.database) if it.database is not None else {}),
    }


def _alarms_of_services(it: Watched) -> dict[str, Alarm]:
    gateway = {"LoadBalancer": it.feed.balancer.arn_suffix, "TargetGroup": it.feed.target.arn_suffix}
    page = {"LoadBalancer": it.api.balancer.arn_suffix, "TargetGroup": it.api.target.arn_suffix}
    return {
        "feed-away": Alarm(
            namespace="AWS/NetworkELB",
            metric="HealthyHostCount",
            dimensions=gateway,
            statistic="Minimum",
            under=1,
            minutes=3,
            missing="breaching",
            text=(
                "No feed is ready. Books are stale. See the feed's log; a task that stops says why in "
                "its service's events."
            ),
        ),
        "api-away": Alarm(
            namespace="AWS/ApplicationELB",
            metric="HealthyHostCount",
            dimensions=page,
            statistic="Minimum",
            under=1,
            minutes=3,
            missing="breaching",
            text="No task of the API is ready. /readyz of a task says what it waits for.",
        ),
        "api-errors": Alarm(
            namespace="AWS/ApplicationELB",
            metric="HTTPCode_Target_5XX_Count",
            dimensions=page,
            statistic="Sum",
            over=20,
            minutes=3,
            text="The API answers 500 and above. Its log has each of them, with its route.",
        ),
    }


def _alarms_collected(namespace: str) -> dict[str, Alarm]:
    feed, api = {"service": "feed"}, {"service": "api"}
    return {
        "feed-late": Alarm(
            namespace=namespace,
            metric="depthcast_feed_late_seconds",
            dimensions=feed,
            over=1,
            text=(
                "Records are published more than a second late: the task is too small, or its journal "
                "stands still."
            ),
        ),
        "journal-failing": Alarm(
            namespace=namespace,
            metric="depthcast_journal_failing",
            dimensions=feed,
            over=0,
            text=(
                "Segments can not be written or stored. Nothing is lost while the disk has room; the "
                "log names the error."
            ),
        ),
        "books-stale": Alarm(
            namespace=namespace,
            metric="depthcast_replica_live",
            dimensions=api,
            statistic="Minimum",
            under=1,
            minutes=3,
            text="A task of the API has lost the feed: what it serves is stale, and says so.",
        ),
    }


def _alarms_of_the_pipeline(it: Watched) -> dict[str, Alarm]:
    def errors(which: str, text: str, minutes: int = 1) -> Alarm:
        return Alarm(
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": it.functions.functions[which].name},
            statistic="Sum",
            over=0,
            minutes=minutes,
            text=text,
        )

    return {
        "segments-poisoned": Alarm(
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": it.storage.dead_letters.name},
            over=0,
            minutes=1,
            text=(
                "A segment cannot be compacted. Its message says which one and why; mend it, then "
                "send it back."
            ),
        ),
        "segments-waiting": Alarm(
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            dimensions={"QueueName": it.storage.segments.name},
            over=900,
            text=(
                "Segments wait for more than a quarter of an hour: is the database there? Nothing is "
                "lost for 14 days."
            ),
        ),
        "maintain-findings": Alarm(
            namespace=it.namespace,
            metric="Alarms",
            dimensions={"service": "maintain"},
            over=0,
            minutes=1,
            text=(
                "A closed segment is missing in the database, differs or is damaged. The log of "
                "maintain names it."
            ),
        ),
        "maintain-errors": errors("maintain", "maintain failed. The next round goes on; its log says why."),
        "compact-errors": errors("compact", "compact fails as a whole. Its messages come again.", 10),
    }


def _alarms_of_the_database(database: RdsDatabase) -> dict[str, Alarm]:
    def on(metric: str, text: str, *, over: float | None = None, under: float | None = None) -> Alarm:
        return Alarm(
            namespace="AWS/RDS",
            metric=metric,
            dimensions={"DBInstanceIdentifier": database.instance.identifier},
            statistic="Average",
            over=over,
            under=under,
            minutes=10,
            text=text,
        )

    return {
        "database-busy": on(
            "CPUUtilization", "The database is busy: history is slow, segments wait.", over=90
        ),
        "database-full": on(
            "FreeStorageSpace",
            "Less than 5 GiB are free, and storage grows no more: raise its maximum.",
            under=5 * 2**30,
        ),
    }
