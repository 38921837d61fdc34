"""What goes wrong with a request."""

__all__ = ["RequestError"]


class RequestError(Exception):
    """A request that cannot be carried out.

    Attributes:
        code: one of the codes of docs/stream.md.
        fatal: the connection is closed for it (4029).
    """

    def __init__(self, code: str, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.fatal = fatal
