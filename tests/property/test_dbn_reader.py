"""Reading DBN, whatever the bytes: what is handed out and where it fails, as a plain second opinion says."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.dbn_files import check_reader, compress, head, judge, mixed_records, skippable
from tests.support.records import add, mbo, other, status

RECORDS = b"".join(mixed_records())
FILE = head() + RECORDS

any_record = st.one_of(
    st.builds(add, st.integers(1, 9), st.sampled_from("AB"), st.integers(1, 1000), st.integers(1, 9)),
    st.builds(mbo, st.sampled_from("TFN"), ts_out=st.integers(0, 2**64 - 1)),
    st.builds(status, st.integers(0, 15)),
    st.builds(
        other,
        st.integers(0, 255).filter(lambda rtype: rtype != 0xA0),
        st.integers(4, 255).map(lambda n: n * 4),
    ),
)
runs = st.builds(lambda record, times: record * times, any_record, st.sampled_from([1, 1, 1, 2, 3, 70]))
record_bytes = st.lists(runs, max_size=12).map(b"".join)
files = st.builds(lambda version, records: head(version) + records, st.sampled_from([1, 2, 3]), record_bytes)
read_sizes = st.lists(st.integers(1, 300), min_size=1, max_size=4)
chunk_sizes = st.sampled_from([1020, 1021, 2048, 1 << 18])


@st.composite
def zstd_files(draw: st.DrawFn) -> bytes:
    """A file as zstd frames, cut anywhere, with and without checksums and sizes, skippable frames between."""
    data = draw(files)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    checksum, sized = draw(st.booleans()), draw(st.booleans())
    frames = [compress([piece], checksum=checksum, sized=sized) for piece in pieces]
    between = draw(st.lists(st.binary(max_size=9).map(skippable), max_size=2))
    return b"".join([*between, *frames, *between])


@given(files, read_sizes, chunk_sizes)
def test_every_good_file_is_read_whole(data: bytes, sizes: list[int], chunk_size: int) -> None:
    found = check_reader(data, sizes, chunk_size)
    assert found.error_offset is None
    assert data.endswith(found.records)


@given(zstd_files(), read_sizes, chunk_sizes)
def test_every_good_zstd_file_is_read_whole(data: bytes, sizes: list[int], chunk_size: int) -> None:
    assert check_reader(data, sizes, chunk_size).error_offset is None


@given(files, st.data(), read_sizes, chunk_sizes)
def test_cut_anywhere_the_records_before_are_given(
    data: bytes, draw: st.DataObject, sizes: list[int], chunk_size: int
) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    check_reader(data[:cut], sizes, chunk_size)


@given(files, st.data(), read_sizes, chunk_sizes)
def test_one_wrong_byte_spoils_nothing_before_it(
    data: bytes, draw: st.DataObject, sizes: list[int], chunk_size: int
) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    broken = bytearray(data)
    broken[at] = draw.draw(st.integers(0, 255))
    check_reader(bytes(broken), sizes, chunk_size)


@given(zstd_files(), st.data(), read_sizes)
@settings(max_examples=200)
def test_zstd_cut_or_changed_anywhere(data: bytes, draw: st.DataObject, sizes: list[int]) -> None:
    broken = bytearray(data[: draw.draw(st.integers(0, len(data)))])
    if broken and draw.draw(st.booleans()):
        broken[draw.draw(st.integers(0, len(broken) - 1))] ^= draw.draw(st.integers(1, 255))
    check_reader(bytes(broken), sizes)


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"DBN\x03", FILE, compress([FILE]), compress([b"DBN"])])
)
@example(b"", b"")
def test_any_bytes_give_records_or_one_clear_error(tail: bytes, start: bytes) -> None:
    check_reader(start + tail, [7, 100])


def test_every_truncation_of_a_file() -> None:
    for cut in range(len(FILE)):
        check_reader(FILE[:cut])


def test_every_length_byte_and_rtype_of_every_record() -> None:
    at = len(head())
    while at < len(FILE):
        for place in (at, at + 1):
            for value in range(256):
                check_reader(FILE[:place] + bytes([value]) + FILE[place + 1 :])
        at += FILE[at] * 4


def test_every_truncation_and_every_flipped_bit_of_a_zstd_file() -> None:
    packed = compress([FILE[:100], FILE[100:700], FILE[700:]])
    opened = []
    for cut in range(len(packed)):
        check_reader(packed[:cut])
        flipped = bytearray(packed)
        flipped[cut] ^= 1 << cut % 8
        found = check_reader(bytes(flipped))
        assert not found.opened or found.records == judge(bytes(flipped)).records
        opened.append(found.opened)
    assert sum(opened) > len(packed) / 2
