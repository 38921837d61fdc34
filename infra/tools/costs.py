"""What a stack costs a month, worked out from its settings. docs/COST.md shows the sums.

List prices of eu-central-1 in USD, without taxes, free tiers and discounts, as of 2025; 730 hours a
month. They
are here to compare, not to bill: AWS's calculator has those of today.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.settings import Settings

__all__ = ["HOURS", "Item", "data_transfer", "estimate", "markdown"]

HOURS: Final = 730
PRICES: Final = {
    "fargate cpu hour": 0.04656,
    "fargate gib hour": 0.00511,
    "fargate disk gib hour": 0.000127,
    "nat hour": 0.052,
    "nat gib": 0.052,
    "endpoint hour": 0.012,
    "balancer hour": 0.027,
    "capacity unit hour": 0.008,
    "public address hour": 0.005,
    "storage gib": 0.0245,
    "database gib": 0.137,
    "web acl": 5.0,
    "web rule": 1.0,
    "key": 1.0,
    "secret": 0.40,
    "metric": 0.30,
    "alarm": 0.10,
    "dashboard": 3.0,
    "log gib": 0.63,
    "queue million": 0.40,
    "function gib second": 0.0000166667,
    "internet gib": 0.09,
    "zone gib": 0.01,
}
DATABASE_HOUR: Final[Mapping[str, float]] = {
    "db.t4g.micro": 0.019,
    "db.t4g.small": 0.038,
    "db.t4g.medium": 0.077,
    "db.t4g.large": 0.153,
    "db.m7g.large": 0.204,
    "db.m7g.xlarge": 0.408,
    "db.r7g.large": 0.266,
}
_RECORD_BYTES: Final = 56
_GIB: Final = 2**30
_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill: what, how it is worked out, USD a month."""

    what: str
    sum: str
    usd: float


def estimate(settings: Settings) -> list[Item]:
    """The lines that a stack has when nobody uses it; what use costs is `data_transfer`."""
    zones = settings.zones
    return [
        _tasks("feed", 1, settings.feed_cpu, settings.feed_memory, settings.feed_disk_gib),
        _tasks("api", settings.api_min, settings.api_cpu, settings.api_memory, 20),
        *_network(settings),
        Item(
            "load balancers",
            "2 x 730 h x 0.027 + 2 units x 730 h x 0.008",
            2 * HOURS * 0.027 + 2 * HOURS * 0.008,
        ),
        Item(
            "public addresses",
            f"({zones} + {settings.nat_gateways}) x 730 h x 0.005",
            (zones + settings.nat_gateways) * HOURS * PRICES["public address hour"],
        ),
        *_database(settings),
        Item("firewall", "5 + 4 rules x 1", PRICES["web acl"] + 4 * PRICES["web rule"]),
        Item("secrets and key", "6 x 0.40 + 1", 6 * PRICES["secret"] + PRICES["key"]),
        _watching(settings),
        Item("logs", "5 GiB x 0.63", 5 * PRICES["log gib"]),
    ]


def _tasks(name: str, count: int, cpu: int, memory: int, disk: int) -> Item:
    cores, gib, more = cpu / 1024, memory / 1024, max(0, disk - 20)
    hour = cores * PRICES["fargate cpu hour"] + gib * PRICES["fargate gib hour"]
    hour += more * PRICES["fargate disk gib hour"]
    text = f"{count} x 730 h x ({cores:g} x 0.04656 + {gib:g} GiB x 0.00511 + {more} GiB x 0.000127)"
    return Item(f"{name} tasks", text, count * HOURS * hour)


def _network(settings: Settings) -> list[Item]:
    if settings.nat_gateways:
        text = f"{settings.nat_gateways} x 730 h x 0.052"
        return [Item("NAT gateways", text, settings.nat_gateways * HOURS * PRICES["nat hour"])]
    ends = 8 * settings.zones
    return [Item("interface endpoints", f"8 x {settings.zones} x 730 h x 0.012", ends * HOURS * 0.012)]


def _database(settings: Settings) -> list[Item]:
    if not settings.rds:
        return []
    hour = DATABASE_HOUR.get(settings.database_instance, 0.0)
    times = 2 if settings.database_multi_az else 1
    gib = settings.database_storage_gib
    return [
        Item("database", f"{times} x 730 h x {hour}", times * HOURS * hour),
        Item("its storage", f"{times} x {gib} GiB x 0.137", times * gib * PRICES["database gib"]),
    ]


def _watching(settings: Settings) -> Item:
    ours = 49 if settings.collector_image else 28
    alarms = 13 if settings.collector_image else 10
    text = f"{ours} metrics x 0.30 + {alarms} alarms x 0.10 + 3"
    return Item("metrics, alarms, dashboard", text, ours * 0.30 + alarms * 0.10 + PRICES["dashboard"])


def markdown(settings: Settings) -> str:
    """The lines as a table, with their sum."""
    items = estimate(settings)
    lines = [f"| {each.what} | {each.sum} | {each.usd:,.2f} |" for each in items]
    total = f"| **together** | | **{sum(each.usd for each in items):,.2f}** |"
    return "\n".join(["| what | how it comes about | USD a month |", "| --- | --- | ---: |", *lines, total])


def data_transfer(messages_per_s: int, subscribers: int) -> Mapping[str, float]:
    """USD a month of a feed that is busy all day, by what happens to its records.

    ``journal``: segments of a month in S3, at 32 % of their size. ``internet``: MBO to so many
    subscribers there,
    uncompressed. ``zones``: to as many tasks or subscribers in another zone.
    """
    gib = messages_per_s * _RECORD_BYTES * _SECONDS / _GIB
    return {
        "gib": gib,
        "journal": gib * 0.32 * PRICES["storage gib"],
        "internet": gib * subscribers * PRICES["internet gib"],
        "zones": gib * subscribers * 2 * PRICES["zone gib"],
    }
