"""``depthcast subscribe``: receive from a gateway; count, record, or rebuild books."""

import asyncio
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from depthcast.cli._console import bold, table
from depthcast.cli._errors import about_file
from depthcast.cli._gateway_key import gateway_key
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_dbn_output, print_out
from depthcast.cli._values import parse_time
from depthcast.errors import ProtocolError, SessionError, UsageError
from depthcast.live.address import Address, databento_address, is_databento, parse_address
from depthcast.settings import EngineSettings

if TYPE_CHECKING:  # help and wrong usage do without what these need
    import ssl

    from depthcast.book.protocol import BookEngine
    from depthcast.cli._following import Following
    from depthcast.cli._recording import Recording
    from depthcast.live.subscriber import Subscriber

__all__ = ["subscribe"]


def subscribe(
    gateway: Annotated[
        str | None,
        Parameter(help="HOST:PORT. (default: Databento's gateway of the dataset)"),
    ] = None,
    /,
    *,
    schema: Annotated[
        tuple[str, ...], Parameter(help="mbo, trades, mbp-10, ...; may be repeated. (default: mbo)")
    ] = ("mbo",),
    symbols: Annotated[
        str, Parameter(help="Symbols joined by commas, or ALL_SYMBOLS. (default: ALL_SYMBOLS)")
    ] = "ALL_SYMBOLS",
    stype_in: Annotated[
        str, Parameter(help="What the symbols are: raw_symbol, instrument_id, parent. (default: raw_symbol)")
    ] = "raw_symbol",
    snapshot: Annotated[bool, Parameter(help="Begin with the books as they are (mbo).")] = False,
    start: Annotated[
        str | None,
        Parameter(help="Begin with a replay from this time on: ns, or ISO 8601; 0 for all there is."),
    ] = None,
    ts_out: Annotated[
        bool, Parameter(help="Ask for the send time of each record, for latencies; the file is without it.")
    ] = False,
    compression: Annotated[
        Literal["none", "zstd"], Parameter(help="Of the connection: none or zstd. (default: none)")
    ] = "none",
    key: Annotated[
        str | None, Parameter(help="The API key. (default: the variable DEPTHCAST_KEY or DATABENTO_API_KEY)")
    ] = None,
    dataset: Annotated[str, Parameter(help="The dataset. (default: GLBX.MDP3)")] = "GLBX.MDP3",
    tls: Annotated[bool, Parameter(help="Connect by TLS; the certificate is verified.")] = False,
    output: Annotated[
        str | None, path_parameter("--output", "-o", help="Record to FILE.dbn or FILE.dbn.zst.")
    ] = None,
    book: Annotated[
        bool, Parameter(help="Rebuild the books, show their tops; at the end write them as JSON.")
    ] = False,
    count: Annotated[bool, Parameter(help="Only count (what is done without -o and --book).")] = False,
    depth: Annotated[int, Parameter(help="With --book: levels of each side in the JSON. (default: 10)")] = 10,
    resume: Annotated[
        Literal["start", "snapshot", "none"] | None,
        Parameter(
            help="After a lost connection: start replays what was missed, snapshot begins the books anew, "
            "none goes on with a gap. (default: snapshot with --book or --snapshot, else start)"
        ),
    ] = None,
    records: Annotated[int | None, Parameter(help="End after so many records.")] = None,
    seconds: Annotated[float | None, Parameter(help="End after so many seconds.")] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Subscribe to a gateway in the Databento Live protocol: ours or Databento's.

    A lost connection is made again; docs/subscriber.md says what is lost then (by default nothing).
    Ctrl-C ends it.

    For example:
      depthcast subscribe 127.0.0.1:13000 --key "$KEY" --symbols CLX5,CLZ5 --ts-out
      depthcast subscribe 127.0.0.1:13000 --key "$KEY" --book --snapshot
      depthcast subscribe --dataset GLBX.MDP3 --stype-in parent --symbols ES.FUT -o es.dbn.zst --seconds 60
    """
    settings = common.load_settings().settings
    if sum((book, output is not None, count)) > 1:
        raise UsageError("-o, --book and --count exclude each other: choose one")
    if (records is not None and records < 1) or (seconds is not None and not seconds > 0) or depth < 0:
        raise UsageError("--records and --seconds: expected a number above 0; --depth: 0 (all) or more")
    task = _Task(
        address=(address := _address(gateway, dataset)),
        key=gateway_key(key, address.host),
        dataset=dataset,
        schemas=schema,
        symbols=symbols.split(","),
        stype_in=stype_in,
        start=None if start is None else parse_time(start, "--start"),
        snapshot=snapshot,
        ts_out=ts_out,
        compression=compression,
        tls=tls,
        resume=resume or ("snapshot" if book else None),
        output=output,
        records=records,
        seconds=seconds,
    )
    following = _carry_out(task, settings.engine if book else None, quiet=common.quiet)
    if following.engine is not None:
        _write_books(following.engine, following.symbols, dataset, depth)
    if not common.quiet:
        _print_summary(following)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is asked for, checked as far as the command line goes."""

    address: Address
    key: str = field(repr=False)
    dataset: str
    schemas: tuple[str, ...]
    symbols: list[str]
    stype_in: str
    start: int | None
    snapshot: bool
    ts_out: bool
    compression: Literal["none", "zstd"]
    tls: bool
    resume: Literal["start", "snapshot", "none"] | None
    output: str | None
    records: int | None
    seconds: float | None


def _carry_out(task: _Task, engine_settings: EngineSettings | None, *, quiet: bool) -> "Following":
    """Subscribe and follow to the end; what came of it."""
    if task.output is not None:
        check_dbn_output(task.output)
    # Help and wrong usage do without these, and so without numpy: they are there at once.
    from depthcast.cli._following import Following
    from depthcast.cli._recording import Recording
    from depthcast.cli._run import make_engine

    engine = None if engine_settings is None else make_engine(engine_settings)
    symbols: dict[int, str] = {}
    recording = None
    if task.output is not None:
        schema = task.schemas[0] if len(task.schemas) == 1 else None
        recording = Recording(
            task.output, dataset=task.dataset, schema=schema, symbols=symbols, ts_out=task.ts_out
        )
    sink = engine.apply if engine is not None else recording.write if recording is not None else len
    following = Following(
        sink, symbols=symbols, engine=engine, ts_out=task.ts_out, most=task.records, quiet=quiet
    )
    _run(following, _subscriber(task, following), recording, task)
    return following


def _subscriber(task: _Task, following: "Following") -> "Subscriber":
    """A subscriber with its subscriptions."""
    from depthcast.live.lifecycle import Policy
    from depthcast.live.subscriber import Subscriber

    heartbeat_s = 5 if is_databento(task.address.host) else 1
    try:
        subscriber = Subscriber(
            *task.address,
            key=task.key,
            dataset=task.dataset,
            on_records=following.on_records,
            on_event=following.on_event,
            resume=task.resume,
            ts_out=task.ts_out,
            compression=task.compression,
            ssl_context=_tls() if task.tls else None,
            policy=Policy(heartbeat_s=heartbeat_s, retry_first=False, until_end=True),
        )
        for schema in task.schemas:
            subscriber.subscribe(
                schema,
                task.symbols,
                stype_in=task.stype_in,
                start=task.start,
                snapshot=task.snapshot and schema == "mbo",
            )
    except (ProtocolError, SessionError) as error:
        raise UsageError(str(error)) from None
    return subscriber


def _run(
    following: "Following",
    subscriber: "Subscriber",
    recording: "Recording | None",
    task: _Task,
) -> None:
    """Follow the subscription to its end; the file is there then, whole, also after an interrupt."""
    import uvloop

    from depthcast.cli._failures import explained
    from depthcast.cli._interrupts import Interrupts

    with Interrupts() as interrupts, ExitStack() as stack:
        if recording is not None:
            stack.enter_context(about_file("standard output" if recording.path == "-" else recording.path))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(following.follow(subscriber, task.seconds, interrupts))
            interrupts.hold()
            following.check_session(task.seconds)
            if recording is not None:
                recording.close(subscriber.last_time, interrupts.check)
        except BaseException as error:
            interrupts.hold()
            if recording is not None:
                recording.abandon()
            better = explained(
                error,
                task.address,
                ending=following.last_ending,
                sessions=subscriber.lifecycle.sessions,
                received=subscriber.received,
            )
            if better is not None:
                raise better from error
            raise


def _address(gateway: str | None, dataset: str) -> Address:
    if gateway is None:
        return databento_address(dataset)
    try:
        return parse_address(gateway)
    except ValueError as error:
        raise UsageError(f"the gateway: {error}") from None


def _tls() -> "ssl.SSLContext":
    import ssl

    return ssl.create_default_context()


def _write_books(engine: "BookEngine", symbols: dict[int, str], dataset: str, depth: int) -> None:
    """The books as they are, as JSON on standard output (docs/book.schema.json)."""
    from depthcast.book.views import book_view
    from depthcast.cli._book_json import document, pretty

    books = [
        book_view(
            engine,
            key,
            dataset=dataset,
            symbol=symbols.get(key.instrument_id),
            levels=depth,
            orders=False,
        )
        for key in engine.books()
    ]
    print_out(pretty(document(books, sources=[], counters=engine.counters, partial=None)) + "\n")


def _print_summary(following: "Following") -> None:
    rows = [(bold(name.ljust(9), sys.stderr), value) for name, value in following.summary()]
    print(table(rows), end="", file=sys.stderr)
