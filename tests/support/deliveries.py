"""Segments on their way to the function that compacts them."""

import json
from pathlib import Path
from urllib.parse import quote_plus

from depthcast.journal.objects import open_objects
from depthcast.store.connect import connected
from tests.support.stored import everything, segments_of

__all__ = ["AllRows", "all_rows", "notice", "upload"]

AllRows = dict[str, list[tuple[object, ...]]]


async def all_rows(url: str) -> AllRows:
    """What a database holds."""
    async with connected(url) as connection:
        return await everything(connection)


def upload(folder: Path, store: str) -> None:
    """Copy a journal's closed segments, as an uploader does: the records, then the index."""
    there = open_objects(store)
    for segment in segments_of(folder):
        for key in (segment.key, segment.key.replace(".dbn.zst", ".index.json")):
            there.put_new(key, folder / key)


def notice(bucket: str, *keys: str, event: str = "ObjectCreated:Put") -> str:
    """A message of S3, with keys quoted as it does."""
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": event,
            "s3": {
                "bucket": {"name": bucket},
                "object": {"key": quote_plus(key, safe="/"), "versionId": "v1"},
            },
        }
        for key in keys
    ]
    return json.dumps({"Records": records})
