"""Dispatch: the commands, loaded when they are called, and the frame that turns errors into exit codes."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple, TextIO, cast

from depthcast.cli._errors import guarded
from depthcast.errors import UsageError

__all__ = ["COMMANDS", "run"]


class Command(NamedTuple):
    function: str
    """Where its function is; imported when it is called."""
    summary: str
    example: str = ""
    """For the help of a group of commands; a command's own docstring has its examples."""


COMMANDS: Final = {
    "reconstruct": Command(
        "depthcast.cli.reconstruct:reconstruct", "Rebuild order books from MBO files, as JSON."
    ),
    "convert": Command("depthcast.cli.convert:convert", "Derive MBP, BBO, trades or OHLCV from MBO files."),
    "audit": Command("depthcast.cli.audit:audit", "Check a file's books and say what the venue did."),
    "simulate": Command("depthcast.cli.simulate:simulate", "Write the MBO feed of a simulated exchange."),
    "info": Command("depthcast.cli.info:info", "Say what a DBN file holds."),
    "feed": Command("depthcast.cli.feed:feed", "Stream a source to subscribers and keep its journal."),
    "subscribe": Command(
        "depthcast.cli.subscribe:subscribe", "Receive from a gateway: count, record or rebuild books."
    ),
    "api": Command("depthcast.cli.api:api", "Serve live books over REST, WebSocket and SSE."),
    "demo": Command(
        "depthcast.cli.demo:demo", "Run a simulated exchange, its feed and the API, and watch them."
    ),
    "journal": Command(
        "depthcast.cli.journal:journal",
        "List and verify a feed's journal, take records or books out of it.",
        "depthcast journal verify out/journal",
    ),
    "compact": Command("depthcast.cli.compact:compact", "Bring a journal's segments into the database."),
    "rebuild": Command("depthcast.cli.compact:rebuild", "Make the database again from a journal's segments."),
    "migrate": Command("depthcast.cli.compact:migrate", "Bring the database's schema up to date."),
    "maintain": Command(
        "depthcast.cli.maintain:maintain", "Keep the database and a journal's store in order."
    ),
    "keys": Command(
        "depthcast.cli.keys:keys",
        "Make, list and revoke the keys of the gateway's clients.",
        "depthcast keys create --name desk-1 --expires 90d",
    ),
    "health": Command("depthcast.cli.health:health", "Say whether the feed or the API here is ready."),
    "smoke": Command(
        "depthcast.cli.smoke:smoke", "Check a running system from outside: REST, stream, page, history."
    ),
    "config": Command("depthcast.cli.config:config", "Print the settings and where each came from."),
}

EXIT_CODES: Final = """\
Exit codes: 0 ok, 1 internal error (a bug), 2 wrong usage or setting,
3 bad data, 4 a file cannot be read or written, 5 what was checked breaks a rule,
130 interrupted, 141 the reader of the output went away."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; never raises."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed_streams()
    options = tokens[: tokens.index("--")] if "--" in tokens else tokens
    debug = "--debug" in options or bool(os.environ.get("DEPTHCAST_DEBUG"))
    return guarded(lambda: _dispatch(tokens), debug=debug)


def _open_closed_streams() -> None:
    """Fill the places of standard streams that are closed, so that no file of ours is taken for one.

    Reading such an input and writing such an output fails (EBADF), as on any closed descriptor: a result that
    goes nowhere is an error. Whoever closed standard error wants nothing there.
    """
    if sys.stdin is None:
        sys.stdin = _stand_in(os.O_WRONLY, "r")
    if sys.stdout is None:
        sys.stdout = _stand_in(os.O_RDONLY, "w")
    if sys.stderr is None:
        sys.stderr = _stand_in(os.O_WRONLY, "w")


def _stand_in(access: int, mode: str) -> TextIO:
    """The null device, open for ``access`` only, at the lowest free descriptor."""
    return cast("TextIO", open(os.open(os.devnull, access), mode, encoding="utf-8"))  # noqa: PTH123


def _dispatch(tokens: list[str]) -> int:
    from cyclopts import App, CycloptsError, Parameter

    app = App(
        name="depthcast",
        help="Market-by-order data, rebuilt into exact order books.",
        help_format="plaintext",
        help_epilogue=EXIT_CODES,
        version=_version,
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        print_error=False,
        exit_on_error=False,
    )
    called = tokens[0] if tokens else "--help"
    if not called.startswith("-") and called not in COMMANDS:
        raise UsageError(f"no command {called!r}{_suggestion(called)}")
    for place, (name, command) in enumerate(COMMANDS.items()):
        # A command's own help is its docstring; the list of commands must do without loading them all.
        text: str | None = command.summary
        if name == called:
            text = f"{command.summary}\n\nExample: {command.example}" if command.example else None
        app.command(command.function, name=name, help=text, sort_key=place)
    try:
        result = app(tokens)
    except CycloptsError as error:
        hint = f"depthcast {called} --help" if called in COMMANDS else "depthcast --help"
        raise UsageError(f"{str(error).strip()} Try: {hint}") from error
    return int(result or 0)


def _suggestion(word: str) -> str:
    close = get_close_matches(word, COMMANDS, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(COMMANDS)}"


def _version() -> str:
    from importlib.metadata import version

    return version("depthcast")
