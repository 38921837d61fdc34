"""What goes wrong with a request."""

from collections.abc import Sequence

__all__ = ["RequestError"]


class RequestError(Exception):
    """A request that cannot be carried out.

    Attributes:
        code: one of the codes of docs/stream.md.
        fatal: the connection is closed for it (4029).
        candidates: the instruments that an ambiguous name could mean.
        publishers: those that have a book of the instrument.
        available_from, available_until: the first and last time of the past that there is (ts_recv, ns).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fatal: bool = False,
        candidates: Sequence[str] = (),
        publishers: Sequence[int] = (),
        available_from: str | None = None,
        available_until: str | None = None,
    ) -> None:
        super().__init__(message)
        self.available_from = available_from
        self.available_until = available_until
        self.candidates = list(candidates)
        self.publishers = list(publishers)
        self.code = code
        self.fatal = fatal
