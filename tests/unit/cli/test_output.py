"""Output files appear whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from depthcast.cli._output import check_output, open_output
from depthcast.errors import UsageError


def write(path: Path, data: bytes) -> None:
    with open_output(str(path)) as stream:
        stream.write(data)


def test_a_file_is_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "book.json", b"{}")
    assert (tmp_path / "book.json").read_bytes() == b"{}"
    assert [path.name for path in tmp_path.iterdir()] == ["book.json"]


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_bytes(b"old")
    with open_output(str(path)) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def fail_while_writing(path: Path) -> None:
    with open_output(str(path)) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        fail_while_writing(path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(tmp_path / "book.json", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "book.json").stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real.json")
    write(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.json").read_bytes() == b"x"


def test_a_device_is_written_as_it_is() -> None:
    write(Path("/dev/null"), b"x")
    assert not Path("/dev/null").is_file()


def test_a_missing_folder_is_said_before_the_work_with_the_name_given(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere" / "book.json")
    with pytest.raises(FileNotFoundError) as error:
        check_output(missing, [])
    assert error.value.filename == missing
    with pytest.raises(FileNotFoundError) as error, open_output(missing):
        pass
    assert error.value.filename == missing


def test_an_input_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "day.dbn"
    path.touch()
    (tmp_path / "same").symlink_to(path)
    for output in (path, tmp_path / "same"):
        with pytest.raises(UsageError, match="both read and written"):
            check_output(str(output), [str(path)])
    check_output("-", ["-"])
    check_output(str(tmp_path / "new"), ["-", str(path), str(tmp_path / "missing")])
