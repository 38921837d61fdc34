"""``depthcast subscribe``: receive from a gateway; count, record, or rebuild books."""

import asyncio
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from depthcast.cli._console import bold, is_terminal, table
from depthcast.cli._errors import about_file
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_output, print_out
from depthcast.cli._values import parse_time
from depthcast.errors import AuthenticationError, SessionError, UsageError
from depthcast.live.address import Address, databento_address, is_databento, parse_address

if TYPE_CHECKING:  # help and wrong usage do without what these need
    import ssl

    from depthcast.book.protocol import BookEngine
    from depthcast.cli._following import Following
    from depthcast.cli._recording import Recording
    from depthcast.live.subscriber import Subscriber

__all__ = ["subscribe"]

KEY_VARIABLES = ("DEPTHCAST_KEY", "DATABENTO_API_KEY")


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
    address = _address(gateway, dataset)
    if sum((book, output is not None, count)) > 1:
        raise UsageError("-o, --book and --count exclude each other: choose one")
    if (records is not None and records < 1) or (seconds is not None and not seconds > 0) or depth < 0:
        raise UsageError("--records and --seconds: expected a number above 0; --depth: 0 (all) or more")
    if output is not None:
        check_output(output, [])
        if output == "-" and is_terminal(sys.stdout):
            raise UsageError("DBN is not for a terminal: give -o FILE.dbn, or send it through a pipe")
    start_ns = None if start is None else parse_time(start, "--start")
    secret = _key(key, address)

    from depthcast.cli._following import Following
    from depthcast.cli._recording import Recording
    from depthcast.cli._run import make_engine
    from depthcast.live.lifecycle import Policy
    from depthcast.live.subscriber import Subscriber

    engine = make_engine(settings.engine) if book else None
    mapped: dict[int, str] = {}
    recording = None
    if output is not None:
        of_one = schema[0] if len(schema) == 1 else None
        recording = Recording(output, dataset=dataset, schema=of_one, symbols=mapped, ts_out=ts_out)
    sink = engine.apply if engine is not None else recording.write if recording is not None else len
    following = Following(
        sink, symbols=mapped, engine=engine, ts_out=ts_out, most=records, quiet=common.quiet
    )
    heartbeat_s = 5 if is_databento(address.host) else 1
    try:
        subscriber = Subscriber(
            *address,
            key=secret,
            dataset=dataset,
            on_records=following.on_records,
            on_event=following.on_event,
            resume=resume or ("snapshot" if book else None),
            ts_out=ts_out,
            compression=compression,
            ssl_context=_tls() if tls else None,
            policy=Policy(heartbeat_s=heartbeat_s, retry_first=False, until_end=True),
        )
        for each in schema:
            subscriber.subscribe(
                each,
                symbols.split(","),
                stype_in=stype_in,
                start=start_ns,
                snapshot=snapshot and each == "mbo",
            )
        _run(following, subscriber, recording, seconds, address)
    except AuthenticationError as error:
        raise UsageError(f"{address}: {str(error).rstrip('.')} (is --key right, and --dataset?)") from None
    except SessionError as error:
        raise UsageError(f"{address}: {error}") from None
    if engine is not None:
        _write_books(engine, mapped, dataset, depth)
    if not common.quiet:
        rows = [(bold(name.ljust(9), sys.stderr), value) for name, value in following.summary()]
        print(table(rows), end="", file=sys.stderr)
    return 0


def _run(
    following: "Following",
    subscriber: "Subscriber",
    recording: "Recording | None",
    seconds: float | None,
    address: Address,
) -> None:
    """Follow the subscription to its end; the file is there then, whole, also after an interrupt."""
    import uvloop

    with ExitStack() as stack:
        if recording is not None:
            stack.enter_context(about_file("standard output" if recording.path == "-" else recording.path))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(following.follow(subscriber, seconds))
        except BaseException as error:
            if recording is not None:
                recording.abandon()
            if isinstance(error, OSError) and not subscriber.lifecycle.sessions:
                raise _no_gateway(error, address) from error
            raise
        if recording is not None:
            recording.close(subscriber.last_time)


def _no_gateway(error: OSError, address: Address) -> OSError:
    """The same failure, said of the address."""
    if error.errno is not None and error.errno > 0:
        return OSError(error.errno, os.strerror(error.errno), str(address))
    return OSError(error.errno or 0, f"no gateway there: {error.strerror or error}", str(address))


def _address(gateway: str | None, dataset: str) -> Address:
    if gateway is None:
        return databento_address(dataset)
    try:
        return parse_address(gateway)
    except ValueError as error:
        raise UsageError(f"the gateway: {error}") from None


def _key(given: str | None, address: Address) -> str:
    """The key of the command line, else of the variables: Databento's own first for Databento."""
    names = reversed(KEY_VARIABLES) if is_databento(address.host) else KEY_VARIABLES
    found = given or next((os.environ[name] for name in names if os.environ.get(name)), None)
    if not found:
        raise UsageError(f"no key: give --key, or set the variable {' or '.join(KEY_VARIABLES)}")
    return found


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
