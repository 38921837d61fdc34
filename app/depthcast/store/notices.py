"""What Amazon S3 says of a journal's objects, as it comes by way of SQS.

A message holds a JSON document, in which ``Records`` are what happened to objects, with their keys quoted as
in a URL. The first message of a new configuration is a test, which names no object.
"""

import json
import re
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from depthcast.journal.listing import Place
from depthcast.journal.names import INDEX, ROOT, SEGMENT
from depthcast.journal.objects import Objects

__all__ = ["Notice", "SegmentNotice", "asking_for", "notices_in", "segment_notice"]

_TEST: Final = "s3:TestEvent"
_CREATED: Final = re.compile(r"(s3:)?ObjectCreated:.+")
_ASKED: Final = "Depthcast:Compact"
_BASE: Final = re.compile(
    rf"{re.escape(ROOT)}dataset=[^/]+/shard=[^/]+/date=\d{{4}}-\d\d-\d\d/"
    r"\d{8}-\d{16}(?P<merged>-\d{16})?",
    re.ASCII,
)


class Notice(NamedTuple):
    """An object that was created, or that is asked for."""

    bucket: str
    key: str
    record: dict[str, Any]
    """As it came: enough for a message of its own."""
    asked: bool
    """It is one of ours (`asking_for`)."""

    @property
    def body(self) -> str:
        """A message with this notice alone."""
        return json.dumps({"Records": [self.record]})


class SegmentNotice(NamedTuple):
    """A notice of a segment's object."""

    place: Place
    is_index: bool
    """Of its index, which is stored last: the whole segment is there. Else its index may not be there yet."""


def notices_in(body: str) -> list[Notice]:
    """The objects that a message says were created; none in a test, or where they were removed.

    Raises:
        ValueError: it is no message of Amazon S3.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the message is not JSON: expected a notification of Amazon S3") from None
    if isinstance(document, dict) and document.get("Event") == _TEST:
        return []
    records = document.get("Records") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise ValueError("the message has no list of Records: expected a notification of Amazon S3")
    return [found for record in records if (found := _notice(record)) is not None]


def asking_for(path: str) -> str:
    """A message that has a segment compacted, by the path of its records, ``s3://BUCKET/KEY``."""
    bucket, _, key = path.removeprefix("s3://").partition("/")
    quoted = quote_plus(key.removesuffix(SEGMENT) + INDEX, safe="/")
    record = {"eventName": _ASKED, "s3": {"bucket": {"name": bucket}, "object": {"key": quoted}}}
    return json.dumps({"Records": [record]})


def segment_notice(objects: Objects, notice: Notice) -> SegmentNotice | None:
    """The segment that a notice is of; None if it is of something else, or of another place.

    One that was merged of others is none: who made it brings it into the ledger. It may be asked for.

    Args:
        objects: where the journals are, in S3.
        notice: of any object.
    """
    root = f"{objects.url.rstrip('/')}/"
    path = f"s3://{notice.bucket}/{notice.key}"
    if not path.startswith(root):
        return None
    key = path.removeprefix(root)
    for ending in (INDEX, SEGMENT):
        base = key.removesuffix(ending)
        match = _BASE.fullmatch(base)
        if base != key and match and (notice.asked or match["merged"] is None):
            return SegmentNotice(Place(objects, base), ending == INDEX)
    return None


def _notice(record: Any) -> Notice | None:
    try:
        event = record["eventName"]
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
    except (KeyError, TypeError):
        raise ValueError("one of the message's Records has no eventName, bucket or key") from None
    if not all(isinstance(each, str) for each in (event, bucket, key)):
        raise ValueError("the eventName, bucket and key of a record must be text")
    asked = event == _ASKED
    return Notice(bucket, unquote_plus(key), record, asked) if asked or _CREATED.fullmatch(event) else None
