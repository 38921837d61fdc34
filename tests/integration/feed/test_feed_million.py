"""A million simulated records through the feed to official clients, byte for byte."""

from pathlib import Path
from typing import Any

import databento_dbn
import pytest

from depthcast.dbn import RType, forms, read_dbn
from tests.support.command import command
from tests.support.feed_process import FeedProcess, official

RECORDS = 1_000_000


@pytest.mark.long
@pytest.mark.parametrize("start", [None, 0])
def test_a_million_records_reach_official_clients(start: int | None, tmp_path: Path) -> None:
    path = tmp_path / "sim.dbn"
    assert command("simulate", "-o", path, "--records", RECORDS, "-q").code == 0
    file = read_dbn(path)
    expected = forms.form(file.data, rtypes={int(RType.MBO)})
    assert forms.count(expected) >= RECORDS * 0.99
    dataset = str(file.metadata.dataset)
    asked: dict[str, Any] = {} if start is None else {"start": start}
    with FeedProcess(path, "--max", "--wait", 3) as feed:
        clients = [
            official(feed, tmp_path / "plain.dbn", dataset, **asked),
            official(feed, tmp_path / "stamped.dbn", dataset, ts_out=True, **asked),
            official(
                feed, tmp_path / "zstd.dbn", dataset, compression=databento_dbn.Compression.ZSTD, **asked
            ),
        ]
        for client in clients:
            assert client.records(timeout_s=120) == expected
        assert feed.wait() == 0
