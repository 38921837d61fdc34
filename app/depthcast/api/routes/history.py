"""History: trades, best bids and offers, levels, bars, as they are stored."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from litestar import Request, get
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from depthcast.api import etags, examples_history
from depthcast.api.answers import Answer, response
from depthcast.api.database import HistoryDatabase
from depthcast.api.headers import header
from depthcast.api.history import (
    DEFAULT_FILE_ROWS,
    DEFAULT_ROWS,
    MAX_JSON_ROWS,
    MAX_ROWS,
    Asked,
    Format,
    file_encoder,
    file_name,
    file_page,
    headers_of,
    json_page,
    last_key,
    settle,
)
from depthcast.api.history_payloads import (
    BboHistory,
    DepthHistory,
    DepthStepName,
    FeedHistory,
    HistoryAnswer,
    OhlcvHistory,
    StepName,
    TradesHistory,
)
from depthcast.api.operations import operation
from depthcast.api.problems import ApiProblem, invalid
from depthcast.api.routes.parameters import Publisher
from depthcast.api.runtime import Runtime, runtime_of
from depthcast.api.streamed import Streamed
from depthcast.dbn.times import TIME_PATTERN
from depthcast.store.history.encoders import MEDIA_TYPES
from depthcast.store.history.fields import Kind
from depthcast.store.history.ledger import feeds

__all__ = ["ROUTES", "history_of"]

_Request = Request[Any, Any, Any]
_JSON: Final = "application/json"
_SUFFIXES: Final = {"csv": "csv", "arrow": "arrows", "parquet": "parquet"}
_PROBLEMS: Final = (
    "unknown-instrument",
    "ambiguous-instrument",
    "not-acceptable",
    "history-unavailable",
)
_FILES: Final = {
    "text/csv": "Comma-separated values with a header line; levels are columns.",
    MEDIA_TYPES["arrow"]: "Arrow's stream format: prices decimal128(19, 9), times timestamp[ns, UTC].",
    MEDIA_TYPES["parquet"]: "Parquet, with the same types.",
}

Instrument = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=90,
        description="A symbol, an instrument id, DATASET:SYMBOL or DATASET:ID.",
        examples=[Example(value="CLX5", summary="A symbol")],
    ),
]
Start = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        schema_extra={"pattern": TIME_PATTERN},
        description="The first time that belongs to the range (ns, or ISO 8601); the first there is if none.",
        examples=[Example(value="2025-09-24T19:30:00Z", summary="A time")],
    ),
]
End = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        schema_extra={"pattern": TIME_PATTERN},
        description="The first time after the range; all that there is if none.",
        examples=[Example(value="2025-09-24T19:40:00Z", summary="A time")],
    ),
]
Limit = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=MAX_ROWS,
        description=f"Rows of a page: of JSON at most {MAX_JSON_ROWS:,}, by default {DEFAULT_ROWS:,}; "
        f"of files by default {DEFAULT_FILE_ROWS:,}.",
    ),
]
PageCursor = Annotated[
    str | None,
    QueryParameter(
        max_length=400,
        description="Where the page begins, as the page before it says. Other parameters stay as they were.",
    ),
]
Order = Annotated[Literal["asc", "desc"], QueryParameter(description="`desc`: the newest first.")]
Form = Annotated[
    Format | None,
    QueryParameter(description="The form of the answer; without it the header Accept decides."),
]
GridStep = Annotated[StepName, QueryParameter(description="The step of the grid.")]
DepthStep = Annotated[
    DepthStepName,
    QueryParameter(description="The step of the grid; below a second where depth is stored so finely."),
]
BboStep = Annotated[
    StepName | None,
    QueryParameter(description="Rows at the ends of such steps; without it every change and trade."),
]


@get(
    "/history",
    **operation(
        "What history there is", HistoryAnswer, examples_history.FEEDS, tag="History", waits=True,
        problems=("history-unavailable",),
    ),
)  # fmt: skip
async def get_history(request: _Request) -> Answer:
    """The feeds that are stored, and from when to when."""
    async with history_of(request).connection() as connection:
        found = await feeds(connection)
    return response(
        HistoryAnswer(
            [
                FeedHistory(
                    dataset=each.dataset,
                    shard=each.shard,
                    available_from=None if each.first_ns is None else str(each.first_ns),
                    available_until=None if each.last_ns is None else str(each.last_ns),
                    segments=each.segments,
                    records=str(each.records),
                    gaps=each.gaps,
                )
                for each in found
            ]
        )
    )


@get(
    "/history/trades",
    **operation(
        "Trades of a range of time", TradesHistory, examples_history.TRADES, tag="History", waits=True,
        problems=_PROBLEMS, tagged=True, also=_FILES,
    ),
)  # fmt: skip
async def get_history_trades(
    request: _Request,
    instrument: Instrument,
    publisher: Publisher = None,
    start: Start = None,
    end: End = None,
    order: Order = "asc",
    limit: Limit = None,
    cursor: PageCursor = None,
    format: Form = None,  # noqa: A002 - the parameter's name
) -> Answer:
    """Every trade, in the order of time; of all publishers unless one is named."""
    asked = Asked.of(
        Kind.TRADES, instrument, publisher=publisher, start=start, end=end,
        descending=order == "desc", cursor=cursor,
    )  # fmt: skip
    return await _answer(request, asked, limit, format)


@get(
    "/history/bbo",
    **operation(
        "Best bids and offers of a range of time", BboHistory, examples_history.BBO, tag="History",
        waits=True, problems=_PROBLEMS, tagged=True, also=_FILES,
    ),
)  # fmt: skip
async def get_history_bbo(
    request: _Request,
    instrument: Instrument,
    publisher: Publisher = None,
    start: Start = None,
    end: End = None,
    step: BboStep = None,
    order: Order = "asc",
    limit: Limit = None,
    cursor: PageCursor = None,
    format: Form = None,  # noqa: A002 - the parameter's name
) -> Answer:
    """Every change of the best bid or offer, and every trade; with `step` the last of each step."""
    asked = Asked.of(
        Kind.BBO, instrument, publisher=publisher, start=start, end=end, step=step,
        descending=order == "desc", cursor=cursor,
    )  # fmt: skip
    return await _answer(request, asked, limit, format)


@get(
    "/history/depth",
    **operation(
        "Levels of a range of time", DepthHistory, examples_history.DEPTH, tag="History", waits=True,
        problems=_PROBLEMS, tagged=True, also=_FILES,
    ),
)  # fmt: skip
async def get_history_depth(
    request: _Request,
    instrument: Instrument,
    publisher: Publisher = None,
    start: Start = None,
    end: End = None,
    step: DepthStep = "1s",
    order: Order = "asc",
    limit: Limit = None,
    cursor: PageCursor = None,
    format: Form = None,  # noqa: A002 - the parameter's name
) -> Answer:
    """Ten levels of each side at the end of each step in which they changed."""
    asked = Asked.of(
        Kind.DEPTH, instrument, publisher=publisher, start=start, end=end, step=step,
        descending=order == "desc", cursor=cursor,
    )  # fmt: skip
    return await _answer(request, asked, limit, format)


@get(
    "/history/ohlcv",
    **operation(
        "Bars of a range of time", OhlcvHistory, examples_history.OHLCV, tag="History", waits=True,
        problems=_PROBLEMS, tagged=True, also=_FILES,
    ),
)  # fmt: skip
async def get_history_ohlcv(
    request: _Request,
    instrument: Instrument,
    publisher: Publisher = None,
    start: Start = None,
    end: End = None,
    step: GridStep = "1m",
    order: Order = "asc",
    limit: Limit = None,
    cursor: PageCursor = None,
    format: Form = None,  # noqa: A002 - the parameter's name
) -> Answer:
    """Open, high, low, close and volume of the trades of each step that has any. Days begin at 0:00 UTC."""
    asked = Asked.of(
        Kind.OHLCV, instrument, publisher=publisher, start=start, end=end, step=step,
        descending=order == "desc", cursor=cursor,
    )  # fmt: skip
    return await _answer(request, asked, limit, format)


ROUTES: Final = (get_history, get_history_trades, get_history_bbo, get_history_depth, get_history_ohlcv)


def history_of(request: _Request) -> HistoryDatabase:
    """The way to the database.

    Raises:
        ApiProblem: this process has none.
    """
    history = runtime_of(request).services.history
    if history is None:
        raise ApiProblem("history-unavailable", "this process has no database", headers={"Retry-After": "60"})
    return history


async def _answer(request: _Request, asked: Asked, limit: int | None, given: Format | None) -> Answer:
    form = given or _accepted(header(request.scope["headers"], b"accept"))
    rows = _rows(limit, form)
    runtime, history = runtime_of(request), history_of(request)
    async with history.connection() as connection:
        page = await settle(connection, asked)
        tag = page.tag(form, rows)
        headers = headers_of(page, tag)
        known = header(request.scope["headers"], b"if-none-match")
        if known is not None and etags.matches(known, tag):
            return Answer(status_code=304, headers=headers)
        encoder, following = None, None
        if form != "json":
            encoder = await file_encoder(form, page)
            last = await last_key(connection, page, rows)
            following = None if last is None else page.cursor(last)
    path = request.scope["path"]
    if encoder is None or form == "json":
        parameters = dict(request.query_params)
        pieces = json_page(history, page, rows, path, parameters)
        return _streamed(runtime, pieces, _JSON, headers)
    if following is not None:
        parameters = {**request.query_params, "cursor": following}
        headers["Link"] = f'<{path}?{urlencode(parameters)}>; rel="next"'
    name = file_name(page.named)
    headers["Content-Disposition"] = f'attachment; filename="{name}-{asked.kind.value}.{_SUFFIXES[form]}"'
    return _streamed(runtime, file_page(history, page, encoder, rows), MEDIA_TYPES[form], headers)


def _streamed(runtime: Runtime, pieces: Any, media_type: str, headers: dict[str, str]) -> Streamed:
    return Streamed(pieces, media_type=media_type, headers=headers, buckets=runtime.buckets)


def _rows(limit: int | None, form: Format) -> int:
    if form != "json":
        return DEFAULT_FILE_ROWS if limit is None else limit
    if limit is not None and limit > MAX_JSON_ROWS:
        raise invalid("limit", f"JSON has at most {MAX_JSON_ROWS:,} rows a page; the other formats have more")
    return limit or DEFAULT_ROWS


def _accepted(accept: str | None) -> Format:
    """The form that a client likes best.

    Raises:
        ApiProblem: it takes none of ours.
    """
    if accept is None or not accept.strip():
        return "json"
    offered: dict[str, Format] = {_JSON: "json"}
    offered |= {text.partition(";")[0]: name for name, text in MEDIA_TYPES.items()}
    best: tuple[float, bool, int, Format] | None = None
    for each in accept.lower().split(","):
        kind, _, rest = each.partition(";")
        weight = _weight(rest)
        for place, (ours, name) in enumerate(offered.items()):
            exact = kind.strip() == ours
            if weight > 0 and (exact or kind.strip() in ("*/*", f"{ours.partition('/')[0]}/*")):
                rank = (weight, exact, -place, name)
                best = rank if best is None or rank[:3] > best[:3] else best
    if best is None:
        raise ApiProblem(
            "not-acceptable", f"there are {', '.join(offered)}; the header Accept allows none of them"
        )
    return best[3]


def _weight(parameters: str) -> float:
    for each in parameters.split(";"):
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return float(value.strip())
            except ValueError:
                return 0.0
    return 1.0
