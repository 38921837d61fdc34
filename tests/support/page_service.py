"""A feed and an API as processes, as the page's tests need them."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from depthcast.api.key_file import ApiKeyFile
from depthcast.api.keys import make_api_key, new_token
from tests.support.api_process import ApiProcess
from tests.support.feed_process import FeedProcess

__all__ = ["BOOK", "DATASET", "SOURCE", "PageService", "page_service", "with_key"]

SOURCE: Final = "sim://cme?instruments=4&orders=400&rate=2000"
DATASET: Final = "XSIM.MBO"
BOOK: Final = f"/books/{DATASET}:XES1"


class PageService(NamedTuple):
    """The two of them, and where the page is."""

    feed: FeedProcess
    api: ApiProcess
    base: str


@contextlib.contextmanager
def page_service(
    folder: Path, *settings: str, source: str = SOURCE, arguments: tuple[str, ...] = ()
) -> Iterator[PageService]:
    """Both, ready, until the block ends.

    Args:
        folder: where they run.
        settings: of the API, ``key=value``.
        source, arguments: of the feed.
    """
    with (
        FeedProcess(source, "--journal", "none", *arguments, cwd=folder) as feed,
        ApiProcess(f"127.0.0.1:{feed.port}/{DATASET}", settings=settings, cwd=folder) as api,
    ):
        yield PageService(feed, api, f"http://127.0.0.1:{api.ready().port}")


def with_key(folder: Path) -> tuple[str, tuple[str, ...]]:
    """A key that may read, and settings with which nobody reads without."""
    token = new_token()
    file = folder / "api-keys.json"
    key = make_api_key("desk", token, scopes=("read",), now_ns=time.time_ns())
    ApiKeyFile(file).change(lambda ring: ring.with_keys([key]))
    return token, ("api.anonymous_read=false", f"api.keys_file={file}", "api.keys_reload_s=0.2")
