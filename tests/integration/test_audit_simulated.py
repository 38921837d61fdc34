"""Audits of a simulated exchange, whose matching engines know nothing of the rules of the book."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthcast.book.audit import EngineChoice, audit
from depthcast.book.audit.report import Observation
from depthcast.book.engine import Engine
from depthcast.book.protocol import BookEngine
from depthcast.dbn import open_dbn
from depthcast.dbn.columns import split
from tests.support.audit import Records, observation, parts
from tests.support.command import command
from tests.support.erring_engines import IgnoresFills


def simulated(folder: Path, *options: object) -> Path:
    path = folder / "simulated.dbn"
    assert command("simulate", "-o", path, "--quiet", *options).code == 0
    return path


@pytest.mark.parametrize(
    "options",
    [
        ("--seed", 1, "--instruments", 3),
        (
            "--seed",
            2,
            "--instruments",
            2,
            "--venue",
            "cme",
            "--venue",
            "nasdaq",
            "--venue",
            "top",
            "--interleave",
            6,
        ),
        ("--seed", 3, "--instruments", 1, "--initial-orders", 3_000),
    ],
    ids=["one venue", "three venues interleaved", "from a snapshot"],
)
def test_every_trade_of_the_exchange_is_at_the_front_of_the_rebuilt_queue(
    tmp_path: Path, options: tuple[object, ...]
) -> None:
    result = command("audit", simulated(tmp_path, "--records", 8_000, *options), "--json")
    assert (result.code, result.err) == (0, "")
    report: Any = json.loads(result.out)
    assert report["valid"]
    assert report["trusted"]
    found = {each["id"]: each for each in report["observations"]}
    fills = found["fills_at_front"]
    assert fills["total"] > 100
    assert fills["count"] == fills["total"] == fills["measures"]["listed_in_queue_order"]
    assert found["refills"]["count"] > 0
    assert {part["name"] for part in found["crossed"]["parts"]} <= {"pre_open", "cross"}
    for name in ("unknown_cancels", "unknown_modifies", "unknown_fills", "over_cancels", "sequence_back"):
        assert found[name]["count"] == 0, name


def test_without_the_rule_of_refills_fewer_trades_are_at_the_front(tmp_path: Path) -> None:
    path = simulated(tmp_path, "--records", 20_000, "--instruments", 1, "--seed", 3)
    with open_dbn(path) as reader:
        records = [row.tobytes() for chunk in reader.chunks() for row in split(chunk).mbo]

    def fills_by(engine: Callable[[], BookEngine]) -> Observation:
        choice = EngineChoice("one", engine)
        return observation(audit(Records(records), choice, choice), "fills_at_front")

    with_rule, without = fills_by(Engine), fills_by(IgnoresFills)
    assert with_rule.count == with_rule.total == without.total
    assert without.count < with_rule.count
    assert set(parts(without)) <= {"behind_1", "behind_2_to_4", "behind_5_or_more"}
