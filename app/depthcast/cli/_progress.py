"""A progress bar on a terminal's standard error: none in a pipe, and none for what is done at once."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from depthcast.cli._console import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress"]

_PATIENCE_S: Final = 0.3
"""A bar appears only after this long: what ends before needs none (nor the time to load it)."""


class Progress:
    """How many of ``total`` bytes are done (None: not known). Use it as a context manager."""

    def __init__(self, total: int | None, *, wanted: bool = True) -> None:
        self._total = total
        self._wanted = wanted and is_terminal(sys.stderr)
        self._begin = time.monotonic()
        self._bar: RichProgress | None = None

    def update(self, done: int) -> None:
        """Say that ``done`` bytes are done. Cheap: a clock is read."""
        if not self._wanted:
            return
        if self._bar is None:
            if time.monotonic() - self._begin < _PATIENCE_S:
                return
            self._bar = self._start()
        self._bar.update(self._bar.task_ids[0], completed=done)

    def _start(self) -> "RichProgress":
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = BarColumn(None), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        bar.add_task("", total=self._total)
        bar.start()
        return bar

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
