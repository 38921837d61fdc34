"""A journal in S3, against moto's server: uploads, the store away and back, fencing, a lost disk."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthcast.dbn import forms
from depthcast.errors import FencedError, JournalError
from depthcast.journal.objects import ObjectMissingError, open_objects
from depthcast.journal.past import Past
from depthcast.journal.search import is_damage
from tests.support.command import command
from tests.support.journals import (
    Recording,
    contents,
    eventually,
    pieces,
    reader_of,
    simulated_feed,
    use_objects,
)
from tests.support.moto import S3Server, s3_server
from tests.support.past import SourceTimes, source_books


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own, and the variables with which it is found."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{abs(hash(request.node.name)):x}"[:40]
    server.make_bucket(name)
    return f"s3://{name}/feeds/test"


def test_objects_of_a_bucket(bucket: str) -> None:
    objects = open_objects(bucket)
    use_objects(objects)
    with pytest.raises(ObjectMissingError, match="feeds/test/a/3"):
        objects.read("a/3")


def test_a_journal_goes_to_s3_and_comes_back_on_another_disk(bucket: str, tmp_path: Path) -> None:
    feed = simulated_feed()
    half = forms.prefix(feed, 3_000)
    first = Recording(tmp_path / "a", bucket)
    first.record(feed[:half], rotate_every=1_000)
    first.writer.close(b"half")
    assert contents(reader_of(None, bucket)) == feed[:half]
    second = Recording(tmp_path / "b", bucket)
    assert (second.recovered.epoch, second.recovered.position) == (2, 3_000)
    assert second.recovered.source_state == b"half"
    second.record(feed[half:], rotate_every=1_000)
    assert contents(second.writer.reader()) == feed
    second.writer.close()
    assert contents(reader_of(None, bucket), 1_234) == feed[forms.prefix(feed, 1_234) :]
    listed = command("journal", "ls", bucket)
    assert listed.code == 0, listed.err
    assert "6 segments, 6,000 records" in listed.out
    verified = command("journal", "verify", bucket)
    assert (verified.code, verified.out) == (0, "6 segments, 6,000 records: all is right\n")


def test_segments_wait_while_s3_is_away_and_the_feed_goes_on(
    bucket: str, server: S3Server, tmp_path: Path
) -> None:
    feed = simulated_feed()
    recording = Recording(tmp_path, bucket)
    first, second, third = pieces(feed, [1_000, 2_000])
    recording.put(first)
    recording.rotate()
    eventually(lambda: recording.writer.stats.uploaded_segments == 1)
    server.pause()
    try:
        recording.put(second)
        recording.rotate()
        recording.put(third)
        recording.rotate()
        recording.writer.sync()
        assert contents(recording.writer.reader(), 1_000) == second + third
        eventually(lambda: recording.writer.stats.pending_uploads == 2)
    finally:
        server.resume()
    eventually(lambda: recording.writer.stats.pending_uploads == 0)
    recording.writer.close()
    assert contents(reader_of(None, bucket)) == feed


def test_an_older_writer_cannot_upload(bucket: str, tmp_path: Path) -> None:
    feed = simulated_feed()
    old = Recording(tmp_path / "a", bucket)
    first, second = pieces(feed, [3_000])
    old.put(first)
    old.rotate()
    eventually(lambda: old.writer.stats.uploaded_segments == 1)
    new = Recording(tmp_path / "b", bucket)
    old.put(second)
    old.rotate()
    eventually(lambda: old.writer._uploader.fenced is not None)
    with pytest.raises(FencedError, match="epoch 2"):
        old.writer.sync()
    with pytest.raises(FencedError):
        old.writer.append(second, 3_000)
    new.put(second)
    new.writer.close()
    assert contents(reader_of(None, bucket)) == feed


def test_a_start_without_the_store_is_refused(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    begun = time.monotonic()
    with pytest.raises(JournalError, match="does not answer or refuses"):
        Recording(tmp_path, bucket)
    assert time.monotonic() - begun < 10
    refused = command("journal", "ls", bucket)
    assert refused.code == 3
    assert "does not answer" in refused.err


def test_a_bucket_that_is_not_there_is_named(bucket: str, tmp_path: Path) -> None:
    said = "s3://no-such-bucket/x: there is no such bucket: make it first"
    with pytest.raises(JournalError) as raised:
        Recording(tmp_path, "s3://no-such-bucket/x")
    assert str(raised.value) == said
    nowhere = open_objects("s3://no-such-bucket/x")
    with pytest.raises(JournalError) as raised:
        nowhere.put_new("a", b"1")
    assert str(raised.value) == said
    with pytest.raises(JournalError) as raised:
        nowhere.read("a")
    assert str(raised.value) == said
    assert command("journal", "ls", "s3://no-such-bucket/x").err == f"depthcast: error: {said}\n"


def test_books_at_a_time_are_read_from_the_store(
    bucket: str, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = simulated_feed(3_000)
    recording = Recording(tmp_path / "disk", bucket)
    recording.record(data, rotate_every=1_000)
    recording.writer.close()
    past = Past(bucket)
    for at, records, engine in source_books(data, SourceTimes(data).times(20, seed=2)):
        for key in engine.books():
            found = past.book(str(key.instrument_id), at)
            assert found.position == records
            ours = found.engine.checksum(key.instrument_id, 0, key.publisher_id)
            assert ours == engine.checksum(key.instrument_id, 0, key.publisher_id)
    past.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = Past(bucket)
    with pytest.raises(JournalError, match="does not answer") as error:
        away.book("11", 5)
    assert not is_damage(error.value)
    away.close()
