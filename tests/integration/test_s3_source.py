"""DBN files in S3 as a source, against moto's server and through a line that breaks."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from depthcast.errors import SourceError
from depthcast.exchange import Exchange
from depthcast.feed.sources.file import FileSource
from depthcast.feed.sources.objects import open_object
from depthcast.feed.sources.open import open_source
from tests.support.breaking_line import BreakingLine
from tests.support.dbn_files import compress, head
from tests.support.moto import S3Server, s3_server
from tests.support.simulated import small_exchange

RECORDS = b"".join(Exchange(small_exchange()).run(records=20_000))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as running:
        running.make_bucket("data")
        put(running, "plain.dbn", head() + RECORDS)
        put(running, "packed.dbn.zst", compress([head() + RECORDS]))
        yield running


def put(server: S3Server, key: str, data: bytes) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - moto takes any
    )
    client.put_object(Bucket="data", Key=key, Body=data)


@pytest.fixture
def reachable(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return server


def told(source: FileSource, state: bytes | None = None, position: int = 0) -> bytes:
    return b"".join(chunk.data for chunk in source.chunks(state, position))


@pytest.mark.parametrize("name", ["plain.dbn", "packed.dbn.zst"])
def test_an_object_is_told_as_the_file_would_be(reachable: S3Server, name: str) -> None:
    source = open_source(f"s3://data/{name}")
    assert isinstance(source, FileSource)
    assert told(source) == RECORDS


def test_a_plain_object_is_resumed_from_the_middle(reachable: S3Server, tmp_path: Path) -> None:
    source = FileSource(["s3://data/plain.dbn"], mark_every=100_000, read_bytes=50_000)
    for chunk in source.chunks():
        if chunk.position > 10_000:
            break
    state = source.state(9_000)
    (tmp_path / "plain.dbn").write_bytes(head() + RECORDS)
    local = FileSource([str(tmp_path / "plain.dbn")])
    list(local.chunks())
    expected = told(local, state, 9_500)
    assert RECORDS.endswith(expected)
    assert told(FileSource(["s3://data/plain.dbn"]), state, 9_500) == expected


def test_broken_connections_lose_nothing(reachable: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    line = BreakingLine(int(reachable.endpoint.rpartition(":")[2]), 300_000)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
    try:
        assert told(FileSource(["s3://data/plain.dbn"])) == RECORDS
    finally:
        line.close()
    assert line.broken >= 3


def test_an_object_replaced_while_it_is_read_is_noticed(reachable: S3Server) -> None:
    put(reachable, "changing.dbn", head() + RECORDS)
    stream = open_object("s3://data/changing.dbn")
    target = memoryview(bytearray(1_000))
    assert stream.readinto(target) == 1_000
    put(reachable, "changing.dbn", head() + RECORDS[56:])
    stream.seek(500_000)
    with pytest.raises(SourceError, match=r"changing\.dbn: the object was replaced"):
        stream.readinto(target)


def test_what_is_not_there_is_refused(reachable: S3Server) -> None:
    with pytest.raises(SourceError, match=r"s3://data/none\.dbn: no such object"):
        open_source("s3://data/none.dbn")
    with pytest.raises(SourceError, match="expected s3://BUCKET/KEY"):
        open_source("s3://data")
    put(reachable, "text", b"hello, world")
    with pytest.raises(SourceError, match="s3://data/text: byte 0: not DBN"):
        open_source("s3://data/text")
