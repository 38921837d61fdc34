"""Every error Depthcast raises on purpose.

::

    DepthcastError
    ├── DBNError             bytes that are not DBN, or are cut short (path, offset)
    │   └── RecordError      a record whose framing is broken (offset, applied)
    ├── BookError            a question the books cannot answer
    │   ├── UnknownBookError     no book of that instrument / publisher
    │   ├── AmbiguousBookError   several publishers: say which
    │   ├── UnknownOrderError    no such order or level in that book
    │   ├── UnknownInstrumentError    no feed has an instrument of that name or id
    │   └── AmbiguousInstrumentError  several feeds have it: say which (choices)
    ├── ProtocolError        a peer broke the Live protocol
    ├── SessionError         a session that was refused, or ended with an error (code)
    │   └── AuthenticationError  the gateway did not accept the key, or not now
    ├── KeyStoreError        the gateway's keys cannot be read or written (path)
    ├── ReplayError          the past that was asked for cannot be given
    ├── SourceError          a feed's source that cannot be opened, or cannot go on
    ├── JournalError         a journal or segment that is missing, damaged or cannot be written (path)
    │   └── FencedError      a newer writer has taken the journal over
    ├── StoreError           the database cannot be reached, or is not what it should be
    │   └── SegmentError     a segment that cannot be compacted, however often it is tried (path)
    ├── SettingsError        a setting that cannot be read or is out of range
    └── UsageError           a command that cannot be carried out as asked

A message says what was wrong, where, and what to do about it.
"""


class DepthcastError(Exception):
    """The base of every error raised by Depthcast."""


class DBNError(DepthcastError):
    """Bytes that are not DBN, or end inside a record.

    Attributes:
        path: the file, or ``"-"`` for standard input, or None where bytes were given.
        offset: the byte offset in the decompressed stream where the bad bytes begin, or None if not known.
    """

    def __init__(self, message: str, *, path: str | None = None, offset: int | None = None) -> None:
        self.reason = message
        self.path = path
        self.offset = offset
        where = ""
        if path is not None:
            where = f"{path}: "
        if offset is not None:
            where += f"byte {offset}: "
        super().__init__(where + message)


class RecordError(DBNError):
    """A record whose framing is broken: its length byte is absurd, or the buffer ends inside it.

    Attributes:
        offset: the byte offset in the given buffer of the bad record; everything before it was applied.
        applied: how many records of this call were applied before it.
    """

    def __init__(self, message: str, *, offset: int, applied: int, path: str | None = None) -> None:
        super().__init__(message, path=path, offset=offset)
        self.applied = applied


class BookError(DepthcastError, LookupError):
    """A question that the books cannot answer."""


class UnknownBookError(BookError):
    """No book of that instrument, or of that publisher, has been seen."""


class AmbiguousBookError(BookError):
    """Several publishers have a book of the instrument, the question is about one: pass ``publisher_id``."""


class UnknownOrderError(BookError):
    """The book holds no such order."""


class UnknownInstrumentError(BookError):
    """No feed has an instrument of that name or id."""


class AmbiguousInstrumentError(BookError):
    """Several feeds have an instrument of that name or id.

    Attributes:
        choices: what to ask for instead, ``DATASET:SYMBOL``.
    """

    def __init__(self, message: str, *, choices: tuple[str, ...]) -> None:
        self.choices = choices
        super().__init__(message)


class ProtocolError(DepthcastError):
    """A peer broke the Live protocol: a line or bytes that are none of it."""


class SessionError(DepthcastError):
    """A session that was refused, or that the gateway ended with an error.

    Attributes:
        code: the error's code in the Live protocol (1 to 8), None where the gateway gave none.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        self.code = code
        super().__init__(message)


class AuthenticationError(SessionError):
    """The gateway did not accept the key, the dataset or the number of sessions."""


class KeyStoreError(DepthcastError):
    """The gateway's keys cannot be read, are not what they should be, or cannot be written.

    Attributes:
        path: the file or secret.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        self.path = path
        super().__init__(message if path is None else f"{path}: {message}")


class ReplayError(DepthcastError):
    """The past that was asked for is no longer kept, or never was."""


class SourceError(DepthcastError):
    """A feed's source that cannot be opened, or cannot go on from where it was."""


class JournalError(DepthcastError):
    """A journal or a segment of it that is missing, damaged, or cannot be written.

    Attributes:
        reason: what is wrong, without the path.
        path: the file, folder or object.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        self.reason = message
        self.path = path
        super().__init__(message if path is None else f"{path}: {message}")


class FencedError(JournalError):
    """A newer writer has taken the journal over: this one must stop."""


class StoreError(DepthcastError):
    """The database cannot be reached, refuses, or is not what it should be."""


class SegmentError(StoreError):
    """A segment that cannot be compacted, however often it is tried: its bytes are wrong.

    Attributes:
        reason: what is wrong, without the path.
        path: the segment.
    """

    def __init__(self, message: str, *, path: str) -> None:
        self.reason = message
        self.path = path
        super().__init__(f"{path}: {message}")


class SettingsError(DepthcastError):
    """A setting that cannot be read, is unknown, or is out of range."""


class UsageError(DepthcastError):
    """A command that cannot be carried out as asked."""
