"""The ``depthcast`` command: a module a command, shared parts in modules that begin with an underscore.

Nothing heavy is imported here: what a command needs is loaded when it is called.
"""

import os
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (by default the process's own) and return its exit code (docs/cli.md)."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads would wait spinning for algebra
    try:
        from depthcast.cli._main import run

        return run(arguments)
    except KeyboardInterrupt:  # Ctrl-C while Python still loads, or a second one
        return 130
