"""A browser, and a page over a live feed, for all tests of a module that only look at them.

Not of a session: while a browser is open its event loop runs in this thread, and no other test could run one.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.page_service import PageService, page_service


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    """One browser; `tests.support.browser.opened` has a test fail for what its console says."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageService]:
    """A simulated feed and an API that anybody may read: neither is to be harmed."""
    with page_service(tmp_path_factory.mktemp("page")) as service:
        yield service
