"""``depthcast reconstruct`` on the real samples gives exactly the books that are known to be true."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import depthcast
from tests.support.command import command
from tests.support.samples import known_book, lobster_truth

CROSSED_FROM = "2025-09-24T21:47:19"


def levels(side: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    return [(int(Decimal(level["price"]).scaleb(9)), level["size"], level["count"]) for level in side]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("file", "truth"),
    [
        ("CLX5_mbo.dbn", "clx5_final_book.json"),
        ("esm4-20240508.mbo.dbn.zst", "esm4-20240508_final_book.json"),
        ("esm4-20240508.v1.mbo.dbn.zst", "esm4-20240508_final_book.json"),
    ],
)
def test_the_final_book_is_the_known_one(data_dir: Path, file: str, truth: str, engine: str) -> None:
    result = command("reconstruct", data_dir / file, "--engine", engine)
    assert result.code == 0
    book, known = result.json, known_book(data_dir / truth)
    assert levels(book["bids"]) == [tuple(level) for level in known.bids]
    assert levels(book["asks"]) == [tuple(level) for level in known.asks]


def test_both_versions_of_a_file_give_the_same_book(data_dir: Path) -> None:
    books = [
        json.loads(command("reconstruct", data_dir / f"esm4-20240508.{version}mbo.dbn.zst", "--orders").out)
        for version in ("", "v1.")
    ]
    for book in books:
        del book["metadata"]["sources"]
    assert books[0] == books[1]
    assert sum(level["count"] for level in books[0]["bids"] + books[0]["asks"]) == 13_598


def test_what_is_known_of_clx5(data_dir: Path) -> None:
    book = command("reconstruct", data_dir / "CLX5_mbo.dbn", "--orders").json
    assert book["metadata"]["symbol"] == "CLX5"
    assert book["metadata"]["records"] == 38_212
    assert book["metadata"]["sources"] == [
        {"file": "CLX5_mbo.dbn", "sha256": "5dc124ea0f1e9d87e2a05d0901e654a9551567b841a93ebfcf87a55ddb8f3edd"}
    ]
    assert sum(len(level["orders"]) for level in book["bids"] + book["asks"]) == 147
    assert (book["status"]["complete"], book["status"]["top"]) == (False, "crossed")
    assert (book["counters"]["unknown_cancels"], book["counters"]["unknown_modifies"]) == (1_224, 216)


def test_clx5_is_crossed_at_172_event_ends_and_none_before_the_pre_open(data_dir: Path) -> None:
    lines = command("reconstruct", data_dir / "CLX5_mbo.dbn", "--every", "event", "--depth", 1, "-q").out
    books = [json.loads(line) for line in lines.splitlines()]
    crossed = [book for book in books if book["status"]["top"] == "crossed"]
    assert len(crossed) == 172
    assert min(book["metadata"]["ts_event_iso"] for book in crossed).startswith(CROSSED_FROM)
    at = command("reconstruct", data_dir / "CLX5_mbo.dbn", "--at", f"{CROSSED_FROM}Z", "--depth", 1).json
    assert at["status"]["top"] == "normal"


def test_a_stop_agrees_with_the_state_of_that_moment(data_dir: Path) -> None:
    path = data_dir / "CLX5_mbo.dbn"
    minutes = command("reconstruct", path, "--every", "30m").lines
    assert [line["at_iso"][11:16] for line in minutes] == ["19:30", "20:00", "20:30", "21:00", "21:30"][1:]
    for line in minutes:
        at = command("reconstruct", path, "--at", line["at_iso"]).json
        assert {name: at[name] for name in ("bids", "asks", "status", "checksum")} == {
            name: line[name] for name in ("bids", "asks", "status", "checksum")
        }
        del at["metadata"]["sources"]
        assert at["metadata"] == line["metadata"]


def test_lobsters_book_at_every_one_of_its_rows(data_dir: Path) -> None:
    truth = lobster_truth(data_dir / "lobster_aapl10_first999_truth.csv.zst")
    rows = {int(row[0]): row[1:].reshape(2, 10, 2) for row in truth}
    seen = 0
    for event in depthcast.replay(data_dir / "lobster_aapl10_first999_mbo.dbn"):
        row = rows.get(event.index)
        if row is None:
            continue
        depth = event.engine.depth(event.key.instrument_id, 10)
        ours = [[(level.price, level.size) for level in side] for side in depth]
        assert np.array_equal(np.array(ours), row)
        seen += 1
    assert seen == len(rows) == 999
