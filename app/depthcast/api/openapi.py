"""The OpenAPI 3.1 document: of the routes' signatures, their declarations and the types of their answers.

It is made of what the service runs on: parameters as Litestar checks them, schemas as msgspec writes answers.
"""

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg
from litestar.typing import FieldDefinition

from depthcast.api.auth import PUBLIC
from depthcast.api.openapi_events import EVENTS_PATH, events_operation
from depthcast.api.openapi_headers import REQUEST_HEADERS
from depthcast.api.operations import Operation
from depthcast.api.problem_types import PROBLEMS
from depthcast.api.problems import MEDIA_TYPE, FieldError, Problem

__all__ = ["openapi_document"]

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_DESCRIPTION: Final = """\
Prices are exact decimal strings. Every 64-bit value (timestamps, order ids) is a string. Timestamps are
nanoseconds since the epoch, UTC.

Every answer about a book says whether it can be trusted: `complete`, `suspect`, and whether it is `stale`,
with its age. `Depthcast-Book` says the same in a header, of answers without a body too.

Errors are problem documents (RFC 9457). Their types are stable; `GET /v1/problems` lists them.

Live data also comes as a stream: WebSocket at `/v1/stream`, server-sent events at `/v1/events`. Both play the
past too, which `at=` gives book by book.
"""
_TAGS: Final = {
    "Books": "Levels, queues, orders, best prices and trades of an instrument.",
    "Instruments": "What there is, and what it is called.",
    "History": "Trades, best bids and offers, levels and bars of a range of time; files of them.",
    "Stream": "The same, as it changes. A WebSocket at `/v1/stream` takes requests too.",
    "Service": "State, latencies, limits and health.",
    "Problems": "What errors mean.",
}
_MEMBERS: Final[dict[str, Json]] = {
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
    "time-not-kept": {
        "detail": "no closed segment has come to that time yet; there are times from "
        "2025-09-24T19:30:00.001385399Z to 2025-09-24T21:59:59.999903746Z",
        "available_from": "1758742200001385399",
        "available_until": "1758751199999903746",
    },
    "rate-limited": {"detail": "the allowance is used up; the next request is taken in 1 s"},
}
"""Members of some problems' examples; ``detail`` is else the type's meaning."""
_HEADERS: Final = {
    "Content-Range": ("Which bytes of how many the part is.", "bytes 1048576-2097151/9437184"),
    "Depthcast-Book": (
        "Whether the data can be trusted and is of now, as a dictionary of structured fields.",
        "complete=?1, suspect=?0, stale=?0, age_ms=0",
    ),
    "Depthcast-History": (
        "How far history goes, and whether segments of the range are missing.",
        'from="1758742200001385000", until="1758751200000000000", complete=?1',
    ),
    "ETag": ("A weak tag of the book's version.", 'W/"1868405f9b6e5481.125c1.5d0c7a1be2f3a490.live"'),
    "RateLimit": ("Requests left, and seconds until all are there again.", '"requests";r=199;t=1'),
    "RateLimit-Policy": ("Requests in so many seconds.", '"requests";q=200;w=2'),
    "Retry-After": ("Seconds until asking again makes sense.", "1"),
    "X-Request-Id": ("The request's number, as in problems and the log.", "5f0c2a91-1c8"),
}
_LIMITED: Final = ("RateLimit", "RateLimit-Policy", "X-Request-Id")
_CONSTRAINTS: Final = {
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def openapi_document(app: Litestar, *, version: str) -> Json:
    """The document of an application's operations, those that `depthcast.api.operations.operation` declares.

    Args:
        app: the application.
        version: Depthcast's.
    """
    found = list(_operations(app))
    answers = [handler.opt["operation"].answer for _, handler in found]
    bodies = [handler.opt["operation"].body or Problem for _, handler in found]
    schemas, components = msgspec.json.schema_components([*answers, *bodies, Problem], ref_template=_REF)
    paths: Json = {}
    for (path, handler), schema, body in zip(
        found, schemas[: len(found)], schemas[len(found) : -1], strict=True
    ):
        paths.setdefault(path, {})[_method(handler)] = _operation(path, handler, schema, body)
    if any(route.path == EVENTS_PATH for route in app.routes):
        events, problems = events_operation()
        events["responses"] |= _problem_responses(problems)
        paths[EVENTS_PATH] = {"get": events}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Depthcast",
            "version": version,
            "summary": "Exact order books from market-by-order data, live.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "description": text}
            for name, text in _TAGS.items()
            if any(name in each["tags"] for item in paths.values() for each in item.values())
        ],
        "paths": paths,
        "components": _components(_marked_down(components)),
    }


def _operations(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Each declared operation with its path; in the order of their groups."""
    declared = [
        (route.path_format, handler)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "operation" in handler.opt and route.path.startswith("/v1/")
    ]
    groups = list(_TAGS)
    return iter(sorted(declared, key=lambda each: groups.index(each[1].opt["operation"].tag)))


def _method(handler: HTTPRouteHandler) -> str:
    return next(name for name in ("get", "post", "delete") if name.upper() in handler.http_methods)


def _operation(path: str, handler: HTTPRouteHandler, schema: Json, body: Json) -> Json:
    declared: Operation = handler.opt["operation"]
    example = {"answer": {"summary": "An answer", "value": msgspec.to_builtins(declared.example)}}
    content: Json = {declared.media_type: {"schema": schema, "examples": example}}
    for media_type, text in declared.also.items():
        content[media_type] = {"schema": {"type": "string", "contentMediaType": media_type}}
        content[media_type]["schema"]["description"] = text
    headers = _header_references(
        *_LIMITED, *(["Depthcast-Book"] if declared.data else []), *(["ETag"] if declared.tagged else [])
    )
    answer: Json = {"description": "The answer.", "headers": headers}
    if declared.answer is not None:
        answer["content"] = content
    responses: Json = {str(declared.status): answer}
    parameters = list(_parameters(path, handler))
    if declared.once:
        parameters.append({"$ref": "#/components/parameters/Idempotency-Key"})
    if declared.tagged:
        responses["304"] = {"description": "What the client has is still so.", "headers": headers}
        parameters.append({"$ref": "#/components/parameters/If-None-Match"})
    if declared.ranges:
        part = _header_references(*_LIMITED, "ETag", "Content-Range")
        responses["206"] = {"description": "A part of the answer.", "headers": part, "content": content}
        parameters += [{"$ref": f"#/components/parameters/{name}"} for name in ("Range", "If-Range")]
    responses |= _problem_responses(declared.problems)
    request: Json = {}
    if declared.body is not None:
        request["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {
        "operationId": handler.handler_name,
        "summary": declared.summary,
        "description": cleandoc(handler.fn.__doc__ or "").replace("``", "`"),
        "tags": [declared.tag],
        "security": [] if declared.scope == PUBLIC else [{"key": []}, {}],
        "parameters": parameters,
        **request,
        "responses": responses,
    }


def _parameters(path: str, handler: HTTPRouteHandler) -> Iterator[Json]:
    """As Litestar reads and checks them."""
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name == "request":
            continue
        limits = field.kwarg_definition
        in_path = f"{{{name}}}" in path
        described: Json = {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or not field.has_default,
            "schema": _parameter_schema(field, limits),
        }
        if isinstance(limits, ParameterKwarg):
            described["description"] = (limits.description or "").replace("``", "`")
            if limits.examples:
                described["example"] = limits.examples[0].value
        yield described


def _parameter_schema(field: FieldDefinition, limits: object) -> Json:
    inner = [each.annotation for each in field.inner_types if each.annotation is not type(None)]
    schema = msgspec.json.schema(inner[0] if field.is_optional else field.annotation)
    if "enum" in schema:
        schema["type"] = "string"
    for ours, theirs in _CONSTRAINTS.items():
        value = getattr(limits, ours, None)
        if value is not None:
            schema[theirs] = value
    if field.has_default and field.default is not None:
        schema["default"] = field.default
    return {**schema, **(getattr(limits, "schema_extra", None) or {})}


def _problem_responses(names: Sequence[str]) -> Json:
    by_status: dict[int, list[str]] = {}
    for name in names:
        by_status.setdefault(PROBLEMS[name].status, []).append(name)
    responses = {str(status): _problem_response(by_status[status]) for status in sorted(by_status)}
    return {**responses, "default": {"$ref": "#/components/responses/Problem"}}


def _problem_response(names: Sequence[str]) -> Json:
    retry = PROBLEMS[names[0]].status in (429, 503)
    return {
        "description": "; ".join(PROBLEMS[name].title for name in names) + ".",
        "headers": _header_references("X-Request-Id", *(["Retry-After"] if retry else [])),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF.format(name="Problem")},
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
        **{"detail": kind.meaning, **_MEMBERS.get(name, {})},
    )


def _header_references(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _components(schemas: Json) -> Json:
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {
        "schemas": schemas,
        "headers": {
            name: {"description": text, "schema": {"type": "string"}, "example": example}
            for name, (text, example) in _HEADERS.items()
        },
        "parameters": REQUEST_HEADERS,
        "responses": {
            "Problem": {"description": "Any other problem, such as a malformed request.", "content": problem}
        },
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "A key of the API. Where anonymous reading is on, none is needed to read.",
            }
        },
    }


def _marked_down(value: Any) -> Any:
    """Docstrings' marks for code in Markdown's form."""
    if isinstance(value, dict):
        return {key: _marked_down(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_marked_down(each) for each in value]
    return cleandoc(value).replace("``", "`") if isinstance(value, str) else value
