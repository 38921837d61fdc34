"""``depthcast feed``: stream a source to subscribers, rebuild its books, keep its journal."""

import asyncio
import logging
import signal
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Final

import structlog
import uvloop
from cyclopts import Parameter

from depthcast.cli._interrupts import Interrupts
from depthcast.cli._options import Common, path_parameter
from depthcast.errors import UsageError
from depthcast.feed.options import FeedOptions, parse_listen
from depthcast.feed.recovery import SPOOL
from depthcast.feed.scratch import temporary_journal
from depthcast.feed.service import FeedService
from depthcast.feed.sources.open import open_source
from depthcast.settings import Settings
from depthcast.settings.secret_files import secret_variable
from depthcast.telemetry.logs import configure_logs

__all__ = ["feed"]

NO_JOURNAL: Final = "none"
MAX_LINGER_S: Final = 1_000_000
KEY_VARIABLE: Final = "DEPTHCAST_KEY"

log = structlog.get_logger("depthcast.feed")


def feed(
    source: Annotated[
        tuple[str, ...],
        path_parameter(
            help="DBN files in order (plain or zstd, local or s3://BUCKET/KEY), or one of "
            "sim://STYLE?OPTIONS, live://HOST:PORT?OPTIONS (a gateway), databento://DATASET?OPTIONS."
        ),
    ],
    *,
    listen: Annotated[
        str | None,
        Parameter(help="Where subscribers connect; port 0 is a free one. (default: gateway.listen)"),
    ] = None,
    key: Annotated[
        tuple[str, ...],
        Parameter(
            help="A key that is accepted beside the stored ones: 32 characters. May be repeated. "
            f"(default: the variable {KEY_VARIABLE}, if it is set)"
        ),
    ] = (),
    rate: Annotated[float | None, Parameter(help="Play at so many records a second, evenly.")] = None,
    speed: Annotated[
        float | None, Parameter(help="Play at so many times the original speed. (default: 1)")
    ] = None,
    max_speed: Annotated[
        bool, Parameter(name="--max", help="Play as fast as sessions, books and journal can follow.")
    ] = False,
    loop: Annotated[
        bool, Parameter(help="Play the files for ever, later in time and sequence with every pass.")
    ] = False,
    wait: Annotated[int, Parameter(help="Begin when so many sessions have started. (default: 0)")] = 0,
    linger: Annotated[
        float, Parameter(help="Seconds that sessions are kept after the last record. (default: 1)")
    ] = 1.0,
    journal: Annotated[
        str | None,
        path_parameter(
            "--journal",
            help="Where the journal is: a folder, s3://BUCKET/PREFIX, or none. A feed goes on where its "
            "journal ends. (default: journal.folder; if that is not set, one that goes when the feed ends)",
        ),
    ] = None,
    shard: Annotated[str, Parameter(help="The shard's name in the journal. (default: 0)")] = "0",
    admin: Annotated[
        str | None,
        Parameter(help="Where /healthz, /readyz and /metrics are; none for nowhere. (default: feed.admin)"),
    ] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Stream a source over TCP in the Databento Live protocol, and record it.

    The official clients connect to it unchanged: databento.Live(key=KEY, gateway="127.0.0.1", port=13000).
    docs/feed.md says how sources, pacing and restarts work, docs/gateway.md what clients see.

    For example:
      depthcast feed CLX5_mbo.dbn --rate 50000 --key "$KEY" --journal none
      depthcast feed sim://cme --journal out/journal
    """
    settings = common.load_settings(gateway__listen=listen, feed__admin=admin).settings
    if wait < 0 or not 0 <= linger <= MAX_LINGER_S:
        raise UsageError(f"--wait and --linger: expected a number from 0 (--linger to {MAX_LINGER_S:,} s)")
    stored = secret_variable(KEY_VARIABLE)
    given = key or ((stored,) if stored else ())
    options = FeedOptions(
        sources=source,
        listen=parse_listen(settings.gateway.listen, "--listen"),
        admin=None if settings.feed.admin in ("", "none") else parse_listen(settings.feed.admin, "--admin"),
        keys=given,
        rate=rate,
        speed=speed,
        unlimited=max_speed,
        loop=loop,
        wait=wait,
        linger_s=linger,
        journal=None if journal == NO_JOURNAL else journal or _folder(settings),
        shard=shard,
    )
    configure_logs(level=logging.WARNING if common.quiet else logging.INFO)
    with ExitStack() as stack:
        stack.enter_context(Interrupts())
        if options.journal == "":
            options = replace(options, journal=str(stack.enter_context(temporary_journal())))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        runner.run(_serve(options, settings))
    return 0


def _folder(settings: Settings) -> str:
    """The journal's folder as the settings have it; empty for one that goes when the feed ends.

    What waits for a store must not go with the feed.
    """
    folder = settings.journal.folder or (SPOOL if settings.journal.store else None)
    return "" if folder is None else str(folder)


async def _serve(options: FeedOptions, settings: Settings) -> None:
    """Run the service; SIGINT and SIGTERM drain it, the second one ends it at once.

    Until it listens nobody is served, so that a signal breaks off whatever is read or waited for.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    try:
        source = open_source(
            options.sources, loop=options.loop, batch_bytes=options.chunk_bytes(settings.feed)
        )
        service = FeedService(source, options, settings)
    except KeyboardInterrupt:
        log.info("stopping", reason="received a signal before it began")
        return

    def on_signal(number: signal.Signals) -> None:
        if service.stopping and task is not None:
            task.cancel()
        service.stop(f"received {number.name}")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    await service.run()
