"""The OpenAPI 3.1 document: from the routes' signatures, answers' types and declarations.

Litestar writes parameters and schemas; examples, problems, headers and security are added here, alike for all.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License, Tag
from litestar.types import ControllerRouterHandler

from depthcast.api.auth import PUBLIC
from depthcast.api.operations import Operation
from depthcast.api.problem_types import PROBLEMS
from depthcast.api.problems import MEDIA_TYPE, FieldError, Problem

__all__ = ["openapi_document"]

Json = dict[str, Any]

_TITLE: Final = "Depthcast"
_SUMMARY: Final = "Exact order books from market-by-order data, live."
_DESCRIPTION: Final = """\
Prices are exact decimal strings. Every 64-bit value (timestamps, order ids) is a string. Timestamps are
nanoseconds since the epoch, UTC.

Every answer about a book says whether it can be trusted: `complete`, `suspect`, and whether it is `stale`, with
its age. `Depthcast-Book` says the same in a header, of answers without a body too.

Errors are problem documents (RFC 9457). Their types are stable; `GET /v1/problems` lists them.

Live data also comes as a stream: WebSocket at `/v1/stream`, server-sent events at `/v1/events`.
"""
_TAGS: Final = (
    Tag("Books", "Levels, queues, orders, best prices and trades of an instrument."),
    Tag("Instruments", "What there is, and what it is called."),
    Tag("Service", "State, latencies, limits and health."),
    Tag("Problems", "What errors mean."),
)
_DETAILS: Final[dict[str, Json]] = {
    "ambiguous-book": {
        "detail": "XNAS.ITCH:AAPL has books of 2 publishers: ask with publisher= and one of 2, 3",
        "publishers": [2, 3],
    },
    "ambiguous-instrument": {
        "detail": "several feeds have an instrument 'ES': ask for one of GLBX.MDP3:ES, XNAS.ITCH:ES",
        "candidates": ["GLBX.MDP3:ES", "XNAS.ITCH:ES"],
    },
    "invalid-parameter": {
        "detail": "depth: expected an integer",
        "errors": [FieldError("depth", "expected an integer", "query")],
    },
    "scope-missing": {"detail": "the key k3yab7xq has the scopes replay, not read", "scope": "read"},
    "unknown-instrument": {"detail": "no feed has an instrument 'CLX9': give a symbol or an instrument id"},
    "starting": {"detail": "the books of GLBX.MDP3 are not filled yet: filling books from snapshots"},
    "rate-limited": {"detail": "the allowance is used up; the next request is taken in 1 s"},
}
_HEADERS: Final[dict[str, tuple[str, str]]] = {
    "Depthcast-Book": (
        "Whether the data can be trusted and is of now, as a dictionary of structured fields.",
        "complete=?1, suspect=?0, stale=?0, age_ms=0",
    ),
    "ETag": ("A weak tag of the book's version.", 'W/"1868405f9b6e5481.125c1.5d0c7a1be2f3a490.live"'),
    "RateLimit": ("Requests left, and seconds until all are there again.", '"requests";r=199;t=1'),
    "RateLimit-Policy": ("Requests in so many seconds.", '"requests";q=200;w=2'),
    "Retry-After": ("Seconds until asking again makes sense.", "1"),
    "X-Request-Id": ("The request's number, as in problems and the log.", "5f0c2a91-1c8"),
}
_ALWAYS: Final = ("RateLimit", "RateLimit-Policy", "X-Request-Id")


def openapi_document(routes: Sequence[ControllerRouterHandler], *, path: str, version: str) -> Json:
    """The document of these routes.

    Args:
        routes: declared by `depthcast.api.operations.operation`.
        path: the path they are under.
        version: Depthcast's.
    """
    config = OpenAPIConfig(
        title=_TITLE,
        version=version,
        summary=_SUMMARY,
        description=_DESCRIPTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        tags=list(_TAGS),
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, method, parts: handler.handler_name,
        render_plugins=[JsonRenderPlugin()],
    )
    # An application of its own, never served: Litestar writes documents of applications only.
    app = Litestar([Router(path, route_handlers=routes)], openapi_config=config, logging_config=None)
    document = _plain(app.openapi_schema.to_schema())
    handlers = {handler.handler_name: handler for handler in _handlers(app)}
    for item in document["paths"].values():
        for described in item.values():
            declared = handlers[described["operationId"]].opt["operation"]
            _complete(described, declared)
    _complete_components(document)
    return document


def _handlers(app: Litestar) -> Iterator[HTTPRouteHandler]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if "operation" in handler.opt:
                yield handler


def _complete(described: Json, declared: Operation) -> None:
    """Add to an operation what its declaration says."""
    described["security"] = [] if declared.scope == PUBLIC else [{"key": []}, {}]
    good = described["responses"]["200"]
    good["content"][declared.media_type]["examples"] = {
        "answer": {"summary": "An answer", "value": msgspec.to_builtins(declared.example)}
    }
    for media_type, text in declared.also.items():
        good["content"][media_type] = {
            "schema": {"type": "string", "contentMediaType": media_type, "description": text}
        }
    names = [*_ALWAYS, *(["Depthcast-Book"] if declared.data else []), *(["ETag"] if declared.tagged else [])]
    good["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    responses = {"200": good}
    if declared.tagged:
        responses["304"] = {
            "description": "What the client has, by its If-None-Match, is still so.",
            "headers": good["headers"],
        }
        described.setdefault("parameters", []).append({"$ref": "#/components/parameters/If-None-Match"})
    by_status: dict[str, list[str]] = {}
    for name in declared.problems:
        by_status.setdefault(str(PROBLEMS[name].status), []).append(name)
    for status in sorted(by_status):
        responses[status] = _problems(by_status[status])
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    described["responses"] = responses


def _problems(names: Sequence[str]) -> Json:
    retry = any(PROBLEMS[name].status in (429, 503) for name in names)
    headers = ["X-Request-Id", *(["Retry-After"] if retry else [])]
    return {
        "description": "; ".join(PROBLEMS[name].title for name in names) + ".",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    name: {"summary": PROBLEMS[name].title, "value": msgspec.to_builtins(_example(name))}
                    for name in names
                },
            }
        },
    }


def _example(name: str) -> Problem:
    kind = PROBLEMS[name]
    return Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        instance="/v1/books/CLX5",
        request_id="5f0c2a91-1c8",
        **{"detail": kind.meaning, **_DETAILS.get(name, {})},
    )


def _complete_components(document: Json) -> None:
    components = document.setdefault("components", {})
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}, "example": example}
        for name, (text, example) in _HEADERS.items()
    }
    components["parameters"] = {
        "If-None-Match": {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "An ETag that the client has. If it still stands, the answer is 304, without a body.",
            "schema": {"type": "string"},
            "example": _HEADERS["ETag"][1],
        }
    }
    components["responses"] = {
        "Problem": {
            "description": "Any other problem, for example of a malformed request.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of the API (`depthcast keys create --api`). Without one, reading may be allowed.",
        }
    }


def _plain(value: Any) -> Any:
    """The document as plain JSON, docstrings' marks for code in Markdown's form."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.replace("``", "`") if isinstance(value, str) else value
