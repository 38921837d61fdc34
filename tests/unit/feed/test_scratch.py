"""Temporary journals: gone with their feed, and with the next one where it was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from depthcast.feed.scratch import PREFIX, temporary_journal

HOLD = """
import sys
from pathlib import Path
from depthcast.feed.scratch import temporary_journal
with temporary_journal(Path(sys.argv[1])) as folder:
    (folder / "record").write_bytes(b"1")
    print(folder, flush=True)
    sys.stdin.read()
"""


def held(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has a temporary journal, and where that is."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=20)


def test_it_goes_at_the_end(tmp_path: Path) -> None:
    with temporary_journal(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "er" / "file").write_bytes(b"1")
    assert list(tmp_path.iterdir()) == []


def test_it_goes_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), temporary_journal(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_killed_process_goes_with_the_next_start_and_that_of_a_living_one_stays(
    tmp_path: Path,
) -> None:
    dead, left = held(tmp_path)
    living, used = held(tmp_path)
    try:
        dead.kill()
        end(dead)
        assert (left / "record").exists()
        with temporary_journal(tmp_path) as folder:
            assert sorted(tmp_path.iterdir()) == sorted([used, folder])
            assert (used / "record").exists()
    finally:
        end(living)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_folder_of_ours_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "record").write_bytes(b"1")
    (tmp_path / f"{PREFIX}link").symlink_to(other)
    (tmp_path / f"{PREFIX}file").write_bytes(b"1")
    (tmp_path / "depthcast-other").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with temporary_journal(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}theirs"
    folder.mkdir()
    os.chown(folder, 12_345, 12_345)
    with temporary_journal(tmp_path):
        pass
    assert folder.exists()
