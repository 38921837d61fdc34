"""Memory of live orders: ``python -m benchmarks.memory [ORDERS]`` prints one JSON object.

It runs in a process of its own. The book is filled, then churned (random orders cancelled, new ones added)
until pool and id table are in their steady state; what the process has gained since before counts.
"""

import json
import sys
from typing import Final

from benchmarks.population import STEP, Population, resident_bytes
from depthcast import Engine

CHURN_STEPS: Final = 4


def main() -> None:
    """Fill, churn, print."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    rehearsal = Population(Engine(), STEP)  # so that numpy's own memory is there before the first look
    rehearsal.fill()
    rehearsal.churn()
    population = Population(Engine(), orders)
    before = resident_bytes()
    population.fill()
    filling, population.seconds = population.seconds, 0.0
    for _ in range(CHURN_STEPS):
        population.churn()
    gained = resident_bytes() - before
    engine = population.engine
    print(
        json.dumps(
            {
                "live_orders": engine.live_orders,
                "engine_bytes_per_order": engine.memory_bytes / engine.live_orders,
                "resident_bytes_per_order": gained / engine.live_orders,
                "add_ns": filling / orders * 1e9,
                "churn_ns": population.seconds / (2 * CHURN_STEPS * population.step) * 1e9,
            }
        )
    )


if __name__ == "__main__":
    main()
