"""The reference: the OpenAPI document, and a page of it that needs nothing but this server."""

from typing import Any, Final, cast

from litestar import Request, get

from depthcast.api.answers import Answer
from depthcast.api.auth import PUBLIC
from depthcast.api.documents import Document
from depthcast.api.operations import operation

__all__ = ["PAGES", "ROUTES"]

_Request = Request[Any, Any, Any]


@get(
    "/openapi.json",
    **operation(
        "This description", dict[str, Any], {"openapi": "3.1.0"}, tag="Service", scope=PUBLIC, tagged=True
    ),
)
def get_openapi(request: _Request) -> Answer:
    """The OpenAPI 3.1 document of this API; `/v1/reference` shows it as a page."""
    return cast("Document", request.app.state.openapi).response(request)


@get("/reference", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_reference(request: _Request) -> Answer:
    """The reference as a page."""
    return cast("Document", request.app.state.reference).response(request)


ROUTES: Final = (get_openapi,)
PAGES: Final = (get_reference,)
