"""All routes of the page."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

from litestar import Request, get
from litestar.params import FromPath

from depthcast.api.answers import Answer
from depthcast.api.auth import PUBLIC
from depthcast.api.pages import book, overview, sign_in, system
from depthcast.api.pages.site import Site, site_of

__all__ = ["ROUTES", "sampled"]

_Request = Request[Any, Any, Any]


@get("/static/{digest:str}/{name:path}", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_static(request: _Request, digest: FromPath[str], name: FromPath[Path]) -> Answer:
    """A static file."""
    return site_of(request).assets.response(request, digest, name.as_posix().lstrip("/"))


@get("/favicon.ico", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_icon(request: _Request) -> Answer:
    """Where browsers look for it unasked."""
    assets = site_of(request).assets
    return assets.response(request, "", "icon.svg")


ROUTES: Final = (*overview.ROUTES, *book.ROUTES, *system.ROUTES, *sign_in.ROUTES, get_static, get_icon)


def sampled(site: Site, of_system: system.System) -> AbstractAsyncContextManager[None]:
    """The samples of site and system, taken while the application runs."""

    @contextlib.asynccontextmanager
    async def running() -> AsyncIterator[None]:
        site.board.start()
        of_system.gauges.start()
        try:
            yield
        finally:
            site.board.stop()
            of_system.gauges.stop()

    return running()
