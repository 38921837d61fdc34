"""What S3 says of objects: read as it is meant, whatever comes."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects
from depthcast.store.notices import Notice, asking_for, notices_in, segment_notice


class Bucket(FolderObjects):
    """A place in S3, for its address alone."""

    @property
    def url(self) -> str:
        return "s3://feeds/prod"


OBJECTS = Bucket(Path("nowhere"))
PART = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
KEY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


def record(bucket: str, key: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    """As S3 writes it: blanks as +, all else that is special as %XX."""
    return {
        "eventName": event,
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}},
    }


def message(*records: Any) -> str:
    return json.dumps({"Records": records})


@given(bucket=PART, keys=st.lists(KEY, max_size=5), event=st.sampled_from(["Put", "CompleteMultipartUpload"]))
def test_every_key_comes_as_it_was(bucket: str, keys: list[str], event: str) -> None:
    records = [record(bucket, key, f"ObjectCreated:{event}") for key in keys]
    found = notices_in(message(*records))
    assert [(each.bucket, each.key) for each in found] == [(bucket, key) for key in keys]
    again = [notices_in(each.body) for each in found]
    assert again == [[each] for each in found]


@given(
    dataset=PART,
    shard=PART,
    epoch=st.integers(0, 99_999_999),
    position=st.integers(0, 10**16 - 1),
    index=st.booleans(),
)
def test_a_segment_is_known_by_its_key(
    dataset: str, shard: str, epoch: int, position: int, index: bool
) -> None:
    base = f"{Journal(dataset, shard).prefix}date=2025-09-24/{SegmentName(epoch, position)}"
    ending = ".index.json" if index else ".dbn.zst"
    [notice] = notices_in(message(record("feeds", f"prod/{base}{ending}")))
    found = segment_notice(OBJECTS, notice)
    assert found is not None
    assert (found.place.base, found.is_index) == (base, index)
    elsewhere = [notice._replace(bucket="other"), notice._replace(key=f"dev/{base}{ending}")]
    assert [segment_notice(OBJECTS, each) for each in elsewhere] == [None, None]


@given(key=KEY)
def test_other_objects_are_no_segments(key: str) -> None:
    for each in (key, f"prod/{key}", f"prod/journal/dataset=X/shard=0/date=2025-09-24/{key}"):
        assert segment_notice(OBJECTS, Notice("feeds", each, {}, asked=False)) is None


@pytest.mark.parametrize(
    "key",
    [
        "journal/dataset=X/shard=0/epochs/00000001.json",
        "journal/dataset=X/shard=0/open/00000001-0000000000000000.open.dbn",
        "journal/dataset=X/shard=0/date=2025-09-24/00000001-000000000000000.dbn.zst",
        "journal/dataset=X/shard=0/date=2025-09-24/00000001-0000000000000000.dbn.zst.part",
        "journal/dataset=X/shard=0/date=2025-09-24/x/00000001-0000000000000000.dbn.zst",
        "journal/dataset=X/date=2025-09-24/00000001-0000000000000000.dbn.zst",
        "a/journal/dataset=X/shard=0/date=2025-09-24/00000001-0000000000000000.dbn.zst",
        "journal/dataset=X/shard=0/date=2025-09-24/00000001-٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠.dbn.zst",
    ],
)
def test_keys_that_are_nearly_those_of_a_segment_are_none(key: str) -> None:
    assert segment_notice(OBJECTS, Notice("feeds", f"prod/{key}", {}, asked=False)) is None


def test_a_merged_segment_is_taken_only_when_it_is_asked_for() -> None:
    key = "journal/dataset=X/shard=0/date=2025-09-24/00000001-0000000000000000-0000000000000900.dbn.zst"
    [told] = notices_in(message(record("feeds", f"prod/{key}")))
    assert segment_notice(OBJECTS, told) is None
    [asked] = notices_in(asking_for(f"s3://feeds/prod/{key}"))
    found = segment_notice(OBJECTS, asked)
    assert found is not None
    assert (found.place.segment_key, found.is_index) == (key, True)


def test_the_test_of_a_new_configuration_names_nothing() -> None:
    test = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Bucket": "feeds",
        "RequestId": "1",
        "HostId": "2",
    }
    assert notices_in(json.dumps(test)) == []


@pytest.mark.parametrize(
    "event", ["ObjectRemoved:Delete", "ObjectRestore:Post", "LifecycleExpiration:Delete", ""]
)
def test_only_what_was_created_counts(event: str) -> None:
    assert notices_in(message(record("feeds", "a", event), record("feeds", "b"))) == notices_in(
        message(record("feeds", "b"))
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "Event", "eventName", "s3", "bucket", "object", "name", "key"]), inner
        )
    ),
    max_leaves=12,
)


@given(body=st.text(max_size=50) | JSON.map(json.dumps) | JSON.map(message))
def test_anything_else_is_refused_with_a_reason_and_never_breaks(body: str) -> None:
    found: list[Notice] = []
    said = "the message"
    try:
        found = notices_in(body)
    except ValueError as error:
        said = str(error)
    assert said.startswith(("the message", "one of the message", "the eventName"))
    assert all(isinstance(each, Notice) for each in found)


def test_a_message_nested_beyond_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        notices_in("[" * 100_000)
