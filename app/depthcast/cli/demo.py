"""``depthcast demo``: a simulated exchange, its feed and the API over it, and a look at what they do."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Annotated, Any, Final

from cyclopts import Parameter

from depthcast.api.workers import listen
from depthcast.cli._child import Child
from depthcast.cli._console import bold, table, warn
from depthcast.cli._demo_display import DemoDisplay, Watch
from depthcast.cli._demo_history import History
from depthcast.cli._options import Common
from depthcast.errors import UsageError
from depthcast.feed.options import parse_listen
from depthcast.feed.scratch import temporary_journal
from depthcast.live.address import Address
from depthcast.live.keys import SECRET_BYTES, new_secret

__all__ = ["demo"]

SOURCE: Final = "sim://cme?instruments=4&orders=1000&rate=20000"
DATASET: Final = "XSIM.MBO"
START_S: Final = 30.0
STOP_S: Final = 20.0
LOOK_S: Final = 0.25
SEGMENT_S: Final = 10
"""History is there soon after it happened."""
NO_DATABASE: Final = "the database is away"
"""What the API says while it comes up."""
JOURNAL_BYTES: Final = 1 << 30
LOCAL: Final = ("127.0.0.1", "0.0.0.0", "::1")  # noqa: S104 # nosec B104


def demo(
    *,
    listen_at: Annotated[
        str | None, Parameter(name="--listen", help="Where the API serves, HOST:PORT. (default: api.listen)")
    ] = None,
    seconds: Annotated[
        float | None, Parameter(help="End after so many seconds. (default: at Ctrl-C)")
    ] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Trade on a simulated exchange and serve its order books: a feed, an API and a database, until Ctrl-C.

    While it runs the books are there for you: over REST, as a stream, from other programs, and their history
    with them. Nothing is kept.

    For example:
      depthcast demo
      depthcast demo --listen 127.0.0.1:8001 --seconds 20
    """
    settings = common.load_settings(api__listen=listen_at).settings
    if seconds is not None and not seconds > 0:
        raise UsageError("--seconds: expected a number above 0")
    address = _free(parse_listen(settings.api.listen, "--listen"))
    with _until_signal() as stopped, ExitStack() as stack:
        started = _started(address, stopped, stack, common)
        if started is None:
            return 0
        children, history = started
        watch = Watch(address, DATASET, history)
        stack.callback(watch.close)
        if not common.quiet:
            _say_where(address, watch.instrument)
        end = None if seconds is None else time.monotonic() + seconds
        with DemoDisplay(watch, wanted=not common.quiet) as display:
            while not stopped.is_set() and (end is None or time.monotonic() < end):
                for child in children:
                    child.check()
                history.check()
                display.refresh()
                stopped.wait(LOOK_S)
        rows = watch.summary()
    if not common.quiet:
        print("\n" + table([(bold(name.ljust(8), sys.stdout), value) for name, value in rows]), end="")
    return 0


def _started(
    address: Address, stopped: threading.Event, stack: ExitStack, common: Common
) -> tuple[list[Child], History] | None:
    """The feed, the API, which is ready, and the history; None where it was stopped before.

    They end with ``stack``, and so does the folder with the journal and the database.
    """
    if not common.quiet:
        print("starting a simulated exchange, its feed and the API ...", file=sys.stderr, flush=True)
    variables = {"DEPTHCAST_KEY": new_secret(os.urandom(SECRET_BYTES)), "DEPTHCAST_DATABASE_URL": None}
    place = stack.enter_context(temporary_journal())
    place.chmod(0o755)  # a database started as root runs as somebody else, who must get in
    feed = Child(
        *("feed", SOURCE, "--listen", "127.0.0.1:0", "--admin", "none", "--journal", str(place)),
        *("--set", f"journal.segment_s={SEGMENT_S}", "--set", f"journal.retain_bytes={JOURNAL_BYTES}"),
        variables=variables,
        on_trouble=_tell,
    )
    stack.callback(_stop, feed)
    history = History(place, place / "database", variables, _tell)
    stack.callback(_stop, history)
    listening = feed.wait_for("listening", START_S, stopped)
    if listening is None:
        return None
    options = ["anonymous_read=true", "drain_accept_s=0", "drain_spread_s=0.5", "workers=1"]
    settings = [part for each in options for part in ("--set", f"api.{each}")]
    for each in (
        f"api.journal={place}",
        f"database.folder={place / 'database'}",
        f"exports.store={place / 'x'}",
    ):
        settings += ["--set", each]
    gateway = f"{listening['addresses'][0]}/{DATASET}"
    api = Child(
        *("api", "--feed", gateway, "--listen", str(address), *settings),
        variables=variables,
        on_trouble=_tell,
    )
    stack.callback(_stop, api)
    return None if api.wait_for("ready", START_S, stopped) is None else ([feed, api], history)


def _free(address: Address) -> Address:
    """The address, port 0 replaced by a free one.

    Raises:
        UsageError: it is in use.
    """
    try:
        (bound,) = listen(address, 1, 1)
    except OSError as error:
        reason = (error.strerror or "cannot be had").lower()
        raise UsageError(
            f"{address}: {reason}: give another one, as in --listen 127.0.0.1:8001 (PORT=8001 make demo)"
        ) from error
    with bound:
        return Address(address.host, bound.getsockname()[1])


def _stop(child: Child | History) -> None:
    try:
        code = child.stop(STOP_S)
    except KeyboardInterrupt:
        code = child.kill()
    if code not in (0, -signal.SIGTERM, -signal.SIGKILL):
        warn(f"the {child.name} ended with exit code {code}")


def _tell(name: str, said: dict[str, Any]) -> None:
    """A warning or an error of a child. Of the database we say ourselves how it is."""
    if said["event"] == NO_DATABASE:
        return
    facts = ", ".join(
        f"{key} {value}" for key, value in said.items() if key not in ("event", "level", "time")
    )
    warn(f"{name}: {said['event']}{f' ({facts})' if facts else ''}")


def _say_where(address: Address, instrument: str) -> None:
    """Where it is, and what to try."""
    shown = "localhost" if address.host in LOCAL else address.host
    here = f"http://{shown}:{address.port}"
    lines = [
        f"{bold('Depthcast is at ' + here, sys.stdout)} - reference at {here}/v1/reference",
        f"  a book      curl '{here}/v1/books/{instrument}?depth=5'",
        f"  its state   curl '{here}/v1/status'",
        f"  a stream    curl -N '{here}/v1/events?bbo={instrument}'",
        f"  its past    curl '{here}/v1/history/ohlcv?instrument={instrument}&step=1m'  (soon)",
        f"              ws://{shown}:{address.port}/v1/stream",
        "Ctrl-C ends it.",
        "",
    ]
    print("\n".join(lines), flush=True)


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; another one raises KeyboardInterrupt."""
    stopped = threading.Event()

    def came(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's arguments
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, came) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
