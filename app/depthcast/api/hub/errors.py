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
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fatal: bool = False,
        candidates: Sequence[str] = (),
        publishers: Sequence[int] = (),
    ) -> None:
        super().__init__(message)
        self.candidates = list(candidates)
        self.publishers = list(publishers)
        self.code = code
        self.fatal = fatal
