"""Byte ranges: what is asked for, what is not understood and so ignored, what cannot be."""

import pytest

from depthcast.api.problems import ApiProblem
from depthcast.api.ranges import Part, asked_part

SIZE = 1_000
TAG = '"a1b2"'


def asked(given: str | None, if_range: str | None = None, size: int = SIZE) -> Part | None:
    headers = [(b"host", b"x")]
    headers += [] if given is None else [(b"range", given.encode())]
    headers += [] if if_range is None else [(b"if-range", if_range.encode())]
    return asked_part(headers, size, TAG)


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 1_000),
        ("bytes=200-299", 200, 300),
        ("bytes=999-", 999, 1_000),
        ("bytes=900-5000", 900, 1_000),
        ("bytes=-1", 999, 1_000),
        ("bytes=-5000", 0, 1_000),
        ("Bytes= 5-6 ", 5, 7),
    ],
)
def test_a_range(given: str, start: int, end: int) -> None:
    part = asked(given)
    assert part == Part(start, end, SIZE)
    assert part is not None
    assert part.content_range == f"bytes {start}-{end - 1}/1000"


@pytest.mark.parametrize(
    "given",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "bytes=0-1,5-6", "lines=0-5",
     "bytes=0-1-2", "bytes=+1-2", "bytes=0x1-2", "bytes=" + "9" * 19 + "-", "bytes=\u0663-"],
)  # fmt: skip
def test_what_is_no_single_range_is_the_whole(given: str | None) -> None:
    assert asked(given) is None


@pytest.mark.parametrize("given", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end(given: str) -> None:
    with pytest.raises(ApiProblem, match="1,000 bytes") as refused:
        asked(given)
    assert refused.value.type.status == 416
    assert refused.value.headers["Content-Range"] == "bytes */1000"


@pytest.mark.parametrize("given", ["bytes=0-", "bytes=-1"])
def test_a_file_of_no_bytes_has_no_range(given: str) -> None:
    with pytest.raises(ApiProblem):
        asked(given, size=0)


@pytest.mark.parametrize("if_range", ['"other"', 'W/"a1b2"', "Mon, 23 Nov 2026 03:00:00 GMT"])
def test_a_part_of_another_file_is_the_whole_of_this_one(if_range: str) -> None:
    assert asked("bytes=5-6", if_range) is None
    assert asked("bytes=5000-", if_range) is None
    assert asked("bytes=5-6", TAG) == Part(5, 7, SIZE)
