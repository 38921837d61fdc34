"""``depthcast simulate``: the feed of a simulated exchange, with the true books beside it."""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal

import msgspec
from cyclopts import Parameter

from depthcast.cli._console import bold, table
from depthcast.cli._errors import about_file
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_dbn_output, open_output
from depthcast.cli._progress import Progress
from depthcast.dbn import DBNWriter
from depthcast.dbn.layout import MBO_SIZE
from depthcast.errors import UsageError
from depthcast.exchange import (
    Exchange,
    ExchangeParams,
    FlowParams,
    Style,
    VenueParams,
    make_instruments,
    stream_metadata,
)

__all__ = ["simulate"]

FIRST_PUBLISHER_ID: Final = 65_001
MAX_RECORDS: Final = 10**12
CHECKSUMS_NAME: Final = "checksums.ndjson"


def simulate(
    *,
    output: Annotated[
        str,
        path_parameter("--output", "-o", help="FILE.dbn or FILE.dbn.zst; - is standard output."),
    ],
    seed: Annotated[int, Parameter(help="The same seed and options give the same bytes. (default: 1)")] = 1,
    records: Annotated[
        int, Parameter(help="Stop at the first event end with so many records. (default: 1000000)")
    ] = 1_000_000,
    instruments: Annotated[int, Parameter(help="How many are traded. (default: 4)")] = 4,
    venue: Annotated[
        tuple[Literal["cme", "nasdaq", "top"], ...],
        Parameter(
            help="How a venue reports: cme, nasdaq, or top (best prices only). Repeat it for several venues, "
            "each a publisher. (default: cme)"
        ),
    ] = ("cme",),
    orders: Annotated[int, Parameter(help="Resting orders that each book tends to. (default: 400)")] = 400,
    initial_orders: Annotated[
        int, Parameter(help="Begin with a snapshot of so many orders a book, instead of an opening auction.")
    ] = 0,
    interleave: Annotated[
        int, Parameter(help="Mix the records of events of up to so many books; 1 writes each event whole.")
    ] = 1,
    truth: Annotated[
        str | None, Parameter(help="Write the true books, as the matching engines have them, to this folder.")
    ] = None,
    truth_every: Annotated[
        int,
        Parameter(help="With --truth: note the true books' checksums every so many events. (default: 1000)"),
    ] = 1_000,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Run a simulated exchange and write its market-by-order feed.

    Matching engines with auctions, halts, icebergs and snapshots, and an order flow drawn from the seed.
    docs/exchange.md says what is simulated, and what the files of --truth hold.

    For example:
      depthcast simulate -o sim.dbn.zst
      depthcast simulate -o sim.dbn --seed 7 --records 100000 --venue cme --venue nasdaq --truth truth
    """
    if not 1 <= records <= MAX_RECORDS:
        raise UsageError(f"--records: expected 1 to {MAX_RECORDS:,}, got {records:,}")
    if truth_every < 1:
        raise UsageError(f"--truth-every: expected a number of events from 1, got {truth_every}")
    if not 1 <= instruments <= 10_000:
        raise UsageError(f"--instruments: expected 1 to 10,000, got {instruments:,}")
    params = ExchangeParams(
        seed=seed,
        instruments=make_instruments(instruments),
        venues=tuple(
            VenueParams(FIRST_PUBLISHER_ID + number, Style(style)) for number, style in enumerate(venue)
        ),
        flow=FlowParams(live_orders=orders),
        initial_orders=initial_orders,
        interleave=interleave,
    )
    check_dbn_output(output)
    begin = time.perf_counter()
    exchange = Exchange(params)
    folder = None if truth is None else Path(truth)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with open_output(str(folder / CHECKSUMS_NAME)) as stream:
            written = _write(
                exchange, output, _stepwise(exchange, records, truth_every, stream), common, records
            )
        _write_books(exchange, folder)
    else:
        written = _write(exchange, output, exchange.run(records), common, records)
    if not common.quiet:
        _print_summary(exchange, output, written, time.perf_counter() - begin)
    return 0


def _write(exchange: Exchange, output: str, batches: Iterator[bytes], common: Common, records: int) -> int:
    """Write the file; its bytes of DBN."""
    with (
        about_file("standard output" if output == "-" else output),
        Progress(records * MBO_SIZE, wanted=not common.quiet) as progress,
        DBNWriter(output, stream_metadata(exchange.params)) as writer,
    ):
        for batch in batches:
            writer.write(batch)
            progress.update(writer.written)
        return writer.written


def _stepwise(exchange: Exchange, records: int, every: int, stream: BinaryIO) -> Iterator[bytes]:
    """The same bytes, event by event, with a line of checksums to ``stream`` every so many."""
    events, pending = 0, []
    while exchange.records < records:
        pending.append(exchange.step())
        events += 1
        if events % every == 0:
            books = [
                exchange.truth(instrument_id, publisher_id)
                for publisher_id, instrument_id in exchange.books()
            ]
            line = {
                "records": exchange.records,
                "books": [
                    {
                        "publisher_id": book.publisher_id,
                        "instrument_id": book.instrument_id,
                        "checksum": book.checksum(),
                    }
                    for book in books
                ],
            }
            stream.write(msgspec.json.encode(line) + b"\n")
        if len(pending) == every:
            yield b"".join(pending)
            pending = []
    yield b"".join(pending)


def _write_books(exchange: Exchange, folder: Path) -> None:
    """The true final books, a file each."""
    symbols = {item.instrument_id: item.symbol for item in exchange.params.instruments}
    for publisher_id, instrument_id in exchange.books():
        book = exchange.truth(instrument_id, publisher_id)
        symbol = symbols[instrument_id]
        document = {
            "symbol": symbol,
            "records": exchange.records,
            "price_unit": "1e-9",
            "level": ["price", "size", "count"],
            "order": ["order_id", "size"],
            **book.as_json(),
        }
        with open_output(str(folder / f"{symbol}.{publisher_id}.json")) as stream:
            stream.write(msgspec.json.encode(document) + b"\n")


def _print_summary(exchange: Exchange, output: str, written: int, elapsed_s: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    mib = 1 << 20
    simulated_s = (exchange.now_ns - exchange.params.start_ns) / 1e9
    rows = [
        ("wrote", f"{exchange.records:,} records, {written / mib:,.1f} MiB of DBN, to {output}"),
        ("books", f"{len(exchange.books()):,}"),
        ("simulated", f"{simulated_s:,.3f} s"),
        ("took", f"{elapsed_s:,.2f} s, {exchange.records / elapsed_s:,.0f} records/s"),
        ("peak memory", f"{peak / mib:,.0f} MiB"),
    ]
    print(table([(bold(name.ljust(11), sys.stderr), value) for name, value in rows]), end="", file=sys.stderr)
