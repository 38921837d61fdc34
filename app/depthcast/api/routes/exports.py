"""Exports: files of history that are made in the background, and fetched when they are done."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from depthcast.api import etags, examples_history
from depthcast.api.answers import Answer, encode
from depthcast.api.auth import principal_of
from depthcast.api.database import unavailable
from depthcast.api.exports import Exporter
from depthcast.api.headers import header
from depthcast.api.history import Asked, file_name, settle
from depthcast.api.history_payloads import ExportAnswer, ExportRequest
from depthcast.api.operations import IDEMPOTENCY_KEY, operation
from depthcast.api.problems import ApiProblem, FieldError, invalid, invalid_fields
from depthcast.api.ranges import Part, asked_part
from depthcast.api.routes.history import history_of
from depthcast.api.runtime import runtime_of
from depthcast.api.streamed import Streamed
from depthcast.errors import JournalError
from depthcast.journal.objects import ObjectMissingError, Objects
from depthcast.store.export_keys import SUFFIXES
from depthcast.store.exports import Bounds, Export, Order, Refusal, cancel, find, submit
from depthcast.store.history.encoders import MEDIA_TYPES
from depthcast.store.history.fields import Kind

__all__ = ["ROUTES"]

PIECE: Final = 1 << 20
"""Bytes of a file that are read, and held, at a time."""
RETRY_S: Final = 10
_KINDS: Final = {
    Kind.TRADES: None,
    Kind.BBO: None,
    Kind.DEPTH: "1s",
    Kind.OHLCV: "1m",
}
"""The step that is meant where none is named."""
_Request = Request[Any, Any, Any]
ExportId = Annotated[
    str,
    PathParameter(
        description="The export's id.",
        examples=[Example(value=examples_history.EXPORT.id, summary="An id")],
    ),
]


@post(
    "/exports",
    status_code=202,
    **operation(
        "Export a range of history", ExportAnswer, examples_history.EXPORT, tag="History", waits=True,
        problems=(
            "idempotency-key-missing", "idempotency-key-reused", "unknown-instrument", "ambiguous-instrument",
            "unsupported-media-type", "content-too-large", "too-many-exports", "history-unavailable",
        ),
        status=202, body=ExportRequest, once=True,
    ),
)  # fmt: skip
async def post_export(request: _Request) -> Answer:
    """Have a file made of a range that may be longer than an answer can be.

    The answer says where to ask how far it is. Asked again with the same `Idempotency-Key`, it is the same,
    and nothing is made twice; with another content it is a problem.
    """
    exporter = _exporter(request)
    key = _idempotency_key(request)
    wanted = await _wanted(request)
    kind = Kind(wanted.kind)
    if kind is Kind.TRADES and wanted.step is not None:
        raise invalid("step", "means nothing with trades", where="body")
    asked = Asked.of(
        kind,
        wanted.instrument,
        publisher=wanted.publisher,
        start=wanted.start,
        end=wanted.end,
        step=wanted.step or _KINDS[kind],
    )
    settings = runtime_of(request).services.settings.exports
    bounds = Bounds(settings.per_client, settings.waiting, settings.retain_s)
    async with history_of(request).connection() as connection:
        page = await settle(connection, asked, where="body")
        order = Order(
            kind=kind,
            dataset=page.named.dataset,
            instrument_id=page.named.instrument_id,
            symbol=page.named.symbol,
            publisher_id=asked.publisher,
            start_ns=page.query.start_ns,
            end_ns=page.query.end_ns,
            step_ms=page.query.step_ms,
            grid_ms=page.query.grid_ms,
            format=wanted.format,
            asked=msgspec.to_builtins(wanted),
        )
        digest = sha256(encode(wanted)).hexdigest()
        made = await submit(connection, _owner(request), key, digest, order, bounds)
    if isinstance(made, Refusal):
        raise _refused(made)
    exporter.wake()
    headers = {"Cache-Control": "no-store", "Location": f"/v1/exports/{made.export_id}"}
    return Answer(encode(_view(made)), status_code=202, headers=headers)


@get(
    "/exports/{export_id:str}",
    **operation(
        "How far an export is", ExportAnswer, examples_history.EXPORT, tag="History", waits=True,
        problems=("unknown-export", "history-unavailable"),
    ),
)  # fmt: skip
async def get_export(request: _Request, export_id: ExportId) -> Answer:
    """Its state, its progress, where its file is. Only who asked for it is told."""
    export = await _found(request, export_id)
    return Answer(encode(_view(export)), headers={"Cache-Control": "no-store"})


@get(
    "/exports/{export_id:str}/file",
    **operation(
        "The file of an export", str, "PAR1...", tag="History", waits=True,
        media_type=MEDIA_TYPES["parquet"],
        problems=("unknown-export", "export-not-done", "range-not-satisfiable", "history-unavailable"),
        tagged=True, ranges=True,
        also={"text/csv": "CSV.", MEDIA_TYPES["arrow"]: "Arrow's stream format."},
    ),
)  # fmt: skip
async def get_export_file(request: _Request, export_id: ExportId) -> Answer:
    """The result, once the export is done; or a part of it, so that a download can go on where it ended."""
    export = await _found(request, export_id)
    if export.state != "done" or export.result is None:
        raise ApiProblem("export-not-done", f"the export is {export.state}")
    exporter = _exporter(request)
    order = export.order
    span = f"{order.start_ns}-{order.end_ns}"
    name = f"{file_name(order.named)}-{order.kind.value}-{span}.{SUFFIXES[order.format]}"
    tag = f'"{export.sha256}"'
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600", "ETag": tag}
    given = header(request.scope["headers"], b"if-none-match")
    if given is not None and etags.matches(given, tag):
        return Answer(status_code=304, headers=headers)
    part = asked_part(request.scope["headers"], export.bytes, tag)
    wanted = Part(0, export.bytes, export.bytes) if part is None else part
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    headers["Content-Length"] = str(wanted.end - wanted.start)
    if part is not None:
        headers["Content-Range"] = part.content_range
    return Streamed(
        _pieces(exporter.objects, export.result, wanted),
        media_type=MEDIA_TYPES[order.format],
        headers=headers,
        status_code=200 if part is None else 206,
    )


@delete(
    "/exports/{export_id:str}",
    status_code=200,  # with 204 Litestar takes no answer; ours says 204 itself
    **operation(
        "Cancel an export", None, None, tag="History", waits=True, status=204,
        problems=("unknown-export", "history-unavailable"),
    ),
)  # fmt: skip
async def delete_export(request: _Request, export_id: ExportId) -> Answer:
    """End it, or remove its file. Asked again, it has no more to do."""
    exporter, number = _exporter(request), _number(export_id)
    async with history_of(request).connection() as connection:
        before = await cancel(connection, _owner(request), number)
    if before is None:
        raise _unknown(export_id)
    if before.result is not None:
        try:
            await asyncio.to_thread(exporter.objects.delete, before.result)
        except JournalError:
            raise unavailable("the file cannot be removed now") from None
    return Answer(status_code=204)


ROUTES: Final = (post_export, get_export, get_export_file, delete_export)


def _exporter(request: _Request) -> Exporter:
    exporter = runtime_of(request).services.exporter
    if exporter is None:
        raise unavailable("this service makes no exports")
    return exporter


def _owner(request: _Request) -> str:
    """Whose exports are meant: the key's; without one the address's."""
    principal = principal_of(request)
    return request.scope["state"]["limits_key"] if principal.anonymous else principal.id


def _idempotency_key(request: _Request) -> str:
    key = header(request.scope["headers"], b"idempotency-key")
    if not key:
        raise ApiProblem("idempotency-key-missing", "send a header Idempotency-Key, a text of your choice")
    if re.fullmatch(IDEMPOTENCY_KEY[:-1], key) is None:
        raise invalid("Idempotency-Key", f"must match {IDEMPOTENCY_KEY}", where="header")
    return key


async def _wanted(request: _Request) -> ExportRequest:
    kind = (header(request.scope["headers"], b"content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiProblem("unsupported-media-type", "send JSON, with Content-Type: application/json")
    most = runtime_of(request).services.settings.api.body_bytes
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise ApiProblem(
                "content-too-large", f"{most:,} bytes are the most", headers={"Connection": "close"}
            )
    try:
        return msgspec.json.decode(body, type=ExportRequest)
    except msgspec.ValidationError as error:
        why, _, where = str(error).replace("`", "").partition(" - at $.")
        raise invalid_fields([FieldError(where or "body", why, "body")]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiProblem("malformed-request", "the content is not JSON") from None


def _refused(why: Refusal) -> ApiProblem:
    if why is Refusal.REUSED:
        return ApiProblem("idempotency-key-reused", "another request was sent with this Idempotency-Key")
    whose = "you have" if why is Refusal.TOO_MANY else "the service has"
    return ApiProblem(
        "too-many-exports",
        f"{whose} as many exports under way as there may be; ask again when one is done",
        headers={"Retry-After": str(RETRY_S)},
    )


async def _found(request: _Request, export_id: str) -> Export:
    number = _number(export_id)
    async with history_of(request).connection() as connection:
        export = await find(connection, _owner(request), number)
    if export is None:
        raise _unknown(export_id)
    return export


def _number(export_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(export_id)
    except ValueError:
        raise _unknown(export_id) from None


def _unknown(export_id: str) -> ApiProblem:
    return ApiProblem("unknown-export", f"there is no export {export_id!r} of yours")


async def _pieces(objects: Objects, key: str, part: Part) -> AsyncIterator[bytes]:
    for start in range(part.start, part.end, PIECE):
        try:
            yield await asyncio.to_thread(objects.read, key, start, min(PIECE, part.end - start))
        except ObjectMissingError:
            raise ApiProblem("export-not-done", "the file is gone: ask for another export") from None
        except JournalError as error:
            raise unavailable("the file cannot be read now") from error


def _view(export: Export) -> ExportAnswer:
    order = export.order
    done = export.state == "done"
    return ExportAnswer(
        id=export.export_id,
        state=export.state,
        request=msgspec.convert(order.asked, ExportRequest),
        dataset=order.dataset,
        instrument_id=order.instrument_id,
        symbol=order.symbol or None,
        start=str(order.start_ns),
        end=str(order.end_ns),
        progress=1.0 if done else _progress(export),
        rows=str(export.rows),
        bytes=str(export.bytes),
        file=f"/v1/exports/{export.export_id}/file" if done else None,
        sha256=export.sha256,
        problem=export.problem,
        created=_iso(export.created),
        started=None if export.started is None else _iso(export.started),
        finished=None if export.finished is None else _iso(export.finished),
        expires=_iso(export.expires),
    )


def _progress(export: Export) -> float:
    length = export.order.end_ns - export.order.start_ns
    if export.reached_ns is None or length <= 0:
        return 0.0
    return round(min(max((export.reached_ns - export.order.start_ns) / length, 0.0), 1.0), 4)


def _iso(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
