"""Audits of the real samples: every hard rule holds, and what their venues did is known."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.audit_schema import PATH
from tests.support.command import command


def audit(path: Path, *options: str) -> Any:
    result = command("audit", path, "--json", *options)
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    jsonschema.validate(report, json.loads(PATH.read_text()))
    assert report["valid"]
    assert all(rule["checks"] > 0 and rule["violations"] == 0 for rule in report["rules"])
    return report


def observations(report: Any) -> dict[str, Any]:
    return {each["id"]: each for each in report["observations"]}


def counts(report: Any) -> dict[str, int]:
    return {each["id"]: each["count"] for each in report["observations"] if each["count"]}


@pytest.fixture(scope="module")
def clx5(data_dir: Path) -> Any:
    return audit(data_dir / "CLX5_mbo.dbn")


def test_clx5_is_valid_and_incomplete(clx5: Any) -> None:
    assert not clx5["trusted"]
    (book,) = clx5["books"]
    assert (book["symbol"], book["complete"], book["suspect"]) == ("CLX5", False, False)
    assert (book["records"], book["events"], book["orders"], book["levels"]) == (38_212, 32_053, 147, 113)
    checks = {rule["id"]: rule["checks"] for rule in clx5["rules"]}
    assert checks["structures"] == 32_054
    assert min(checks[name] for name in ("levels", "orders", "prices", "priority", "volume")) > 1_000
    assert min(checks[name] for name in ("chunking", "snapshots", "engines")) > 100


def test_clx5_starts_in_the_middle_of_a_session(clx5: Any) -> None:
    assert counts(clx5) == {
        "fills_at_front": 1_378,
        "crossed": 172,
        "unknown_cancels": 1_224,
        "unknown_modifies": 216,
        "unknown_fills": 30,
        "refills": 31,
        "orders_alive": 147,
    }


def test_clx5_is_crossed_in_pre_open_and_never_before(clx5: Any) -> None:
    crossed = observations(clx5)["crossed"]
    assert crossed["first"]["iso"].startswith("2025-09-24T21:47:19.")
    (interval,) = crossed["examples"]
    assert (interval["event_ends"], interval["over"], interval["phase"]) == (172, None, None)
    assert interval["trades_inside"] == 0
    assert interval["trade_before"]["at"]["iso"].startswith("2025-09-24T20:59:59.")
    assert interval["trade_after"] is None


def test_most_fills_of_clx5_are_at_the_front(clx5: Any) -> None:
    fills = observations(clx5)["fills_at_front"]
    assert (fills["count"], fills["total"], fills["share"]) == (1_378, 1_450, 0.950345)
    assert fills["measures"] == {
        "listed_in_queue_order": 1_355,
        "not_judged_side_none": 109,
        "not_judged_no_fills": 24,
        "not_judged_unknown_fills": 16,
    }
    assert {part["name"]: part["count"] for part in fills["parts"] if part["count"]} == {
        "names_the_aggressor": 48,
        "filled_earlier_in_event": 2,
        "other_side": 2,
        "behind_1": 13,
        "behind_2_to_4": 6,
        "behind_5_or_more": 1,
    }


def test_the_other_engine_gives_the_same_report(data_dir: Path) -> None:
    other = audit(data_dir / "lobster_aapl10_first999_mbo.dbn", "--engine", "reference")
    native = audit(data_dir / "lobster_aapl10_first999_mbo.dbn")
    for report in (other, native):
        del report["engine"], report["rebuilt_by"]
    assert other == native


@pytest.mark.parametrize("name", ["esm4-20240508.mbo.dbn.zst", "esm4-20240508.v1.mbo.dbn.zst"])
def test_esm4_begins_with_a_snapshot_and_is_trusted(data_dir: Path, name: str) -> None:
    report = audit(data_dir / name)
    assert report["trusted"]
    (book,) = report["books"]
    assert (book["symbol"], book["orders"], book["levels"]) == ("ESM4", 13_598, 1_547)
    assert counts(report) == {"fills_at_front": 4, "orders_alive": 13_598}
    assert observations(report)["fills_at_front"]["total"] == 5


def test_lobster_is_trusted_and_checked_after_every_event(data_dir: Path) -> None:
    report = audit(data_dir / "lobster_aapl10_first999_mbo.dbn")
    assert report["trusted"]
    assert counts(report) == {"fills_at_front": 98, "orders_alive": 22}
    fills = observations(report)["fills_at_front"]
    assert (fills["total"], fills["measures"]["not_judged_side_none"]) == (98, 61)
    checks = {rule["id"]: rule["checks"] for rule in report["rules"]}
    assert [checks[name] for name in ("levels", "priority", "volume", "structures")] == [1_000] * 4
