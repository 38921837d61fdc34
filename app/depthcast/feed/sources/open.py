"""From what was asked for on the command line to a source."""

from collections.abc import Sequence
from typing import Final

from depthcast.dbn import CHUNK_SIZE
from depthcast.errors import UsageError
from depthcast.feed.sources.base import Source
from depthcast.feed.sources.file import FileSource
from depthcast.feed.sources.sim import SimulatedSource
from depthcast.feed.sources.upstream import UpstreamSource
from depthcast.feed.sources.upstream_url import parse_upstream
from depthcast.settings.secret_files import secret_variable

__all__ = ["open_source"]

KEY_VARIABLE: Final = "DATABENTO_API_KEY"
BATCH_BYTES: Final = 64 << 10


def open_source(
    specs: str | Sequence[str], *, loop: bool = False, key: str | None = None, batch_bytes: int = BATCH_BYTES
) -> Source:
    """The source that ``specs`` name: looked at, not begun (`Source.open` does that).

    * paths of DBN files, plain or zstd, local or ``s3://BUCKET/KEY``, in order
    * ``sim://STYLE?OPTIONS``: the simulated exchange
    * ``live://HOST:PORT?OPTIONS``, ``databento://DATASET?OPTIONS``: another gateway

    Args:
        specs: one, or several files.
        loop: tell the files again and again.
        key: for a gateway; by default DATABENTO_API_KEY.
        batch_bytes: chunks have at most so many bytes.

    Raises:
        SourceError: a source that is not there or not what it should be.
        UsageError: sources that do not go together, or options that they do not have.
    """
    given = [specs] if isinstance(specs, str) else list(specs)
    schemes = {_scheme(spec) for spec in given}
    if schemes <= {"", "s3"}:
        return FileSource(given, loop=loop, chunk_bytes=batch_bytes, read_bytes=max(batch_bytes, CHUNK_SIZE))
    if len(given) > 1:
        raise UsageError(f"a feed has one source or several files, not {' and '.join(given)}")
    if loop:
        raise UsageError(f"--loop is for files; {given[0]} does not end")
    if schemes == {"sim"}:
        return SimulatedSource(given[0], chunk_bytes=batch_bytes)
    if schemes <= {"live", "databento"}:
        return _upstream(given[0], key)
    raise UsageError(
        f"{given[0]}: no such kind of source: give files, s3://, sim://, live:// or databento://"
    )


def _upstream(spec: str, key: str | None) -> UpstreamSource:
    upstream = parse_upstream(spec)
    found = key or secret_variable(KEY_VARIABLE)
    if not found:
        raise UsageError(f"{spec}: the gateway wants a key: set {KEY_VARIABLE}")
    return UpstreamSource(upstream, found)


def _scheme(spec: str) -> str:
    scheme, found, _ = spec.partition("://")
    return scheme if found else ""
