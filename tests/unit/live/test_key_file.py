"""Keys in a file: who may read it, how it changes, what is refused."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from depthcast.errors import KeyStoreError
from depthcast.live.key_stores import FileKeyStore, SecretsManagerKeyStore, open_key_store
from depthcast.live.keys import KeyRing, make_key

SECRET_ID = "a/b"  # noqa: S105 - a name
NOW = 1_758_742_200_000_000_000


def add(ring: KeyRing) -> KeyRing:
    return ring.with_keys([make_key("desk", ring.new_secret(os.urandom), now_ns=NOW)])


@pytest.fixture
def store(tmp_path: Path) -> FileKeyStore:
    return FileKeyStore(tmp_path / "out" / "keys.json")


def test_no_file_is_no_keys(store: FileKeyStore) -> None:
    assert not store.read()
    assert not store.path.parent.exists()


def test_a_change_is_stored_for_its_owner_only(store: FileKeyStore) -> None:
    made = store.change(add)
    assert list(store.read()) == list(FileKeyStore(store.path).read()) == list(made)
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert (store.path.parent / ".keys.json.lock").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in store.path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


def test_it_is_owners_only_from_its_first_byte(store: FileKeyStore) -> None:
    before = os.umask(0)
    try:
        store.change(add)
    finally:
        os.umask(before)
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_another_processes_change_is_seen(store: FileKeyStore) -> None:
    other = FileKeyStore(store.path)
    for count in range(1, 6):
        other.change(add)
        assert len(store.read()) == count
    assert store.read() is store.read()
    store.path.unlink()
    assert not store.read()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o777])
def test_a_file_for_others_too_is_refused(store: FileKeyStore, mode: int) -> None:
    store.change(add)
    assert store.read()
    store.path.chmod(mode)
    with pytest.raises(KeyStoreError, match=rf"mode {mode:04o}\): chmod 600 {store.path}") as caught:
        store.read()
    assert caught.value.path == str(store.path)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        store.change(add)
    store.path.chmod(0o600)
    assert len(store.read()) == 1


def test_a_damaged_file_is_refused_until_it_is_repaired(store: FileKeyStore) -> None:
    store.change(add)
    good = store.path.read_bytes()
    store.path.write_bytes(good[:-10])
    for _ in range(2):
        with pytest.raises(KeyStoreError, match=r"keys\.json: not a list of keys"):
            store.read()
    with pytest.raises(KeyStoreError, match="not a list of keys"):
        store.change(add)
    assert store.path.read_bytes() == good[:-10]
    store.path.write_bytes(good)
    assert len(store.read()) == 1


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(KeyStoreError, match="not a file"):
            FileKeyStore(tmp_path / name).read()
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyStoreError, match="not a directory"):
        FileKeyStore(tmp_path / "file" / "keys.json").read()
    with pytest.raises(KeyStoreError, match=r"file exists|not a directory"):
        FileKeyStore(tmp_path / "file" / "keys.json").change(add)
    (tmp_path / "big").touch(0o600)
    os.truncate(tmp_path / "big", 17 << 20)
    with pytest.raises(KeyStoreError, match="17,825,792 bytes are no list of keys"):
        FileKeyStore(tmp_path / "big").read()


def test_a_change_that_fails_changes_nothing(store: FileKeyStore) -> None:
    store.change(add)
    before = store.path.read_bytes()

    def fail(ring: KeyRing) -> KeyRing:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.change(fail)
    assert store.path.read_bytes() == before
    assert len(store.change(add)) == 2  # the lock was given back


def test_a_part_that_a_killed_process_left_is_no_hindrance(store: FileKeyStore) -> None:
    store.change(add)
    left = store.path.with_name(f".keys.json.{os.getpid()}.part")
    left.write_text("half")
    assert len(store.change(add)) == 2
    assert not left.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_root_changes_stays_its_owners(store: FileKeyStore) -> None:
    store.change(add)
    os.chown(store.path, 12345, 23456)
    store.change(add)
    found = store.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 23456, 0o600)
    assert len(store.read()) == 2


def test_a_link_stays_a_link(store: FileKeyStore, tmp_path: Path) -> None:
    store.change(add)
    link = tmp_path / "link.json"
    link.symlink_to(store.path)
    FileKeyStore(link).change(add)
    assert link.is_symlink()
    assert len(store.read()) == 2


def test_many_threads_changing_at_once_lose_nothing(store: FileKeyStore) -> None:
    threads = [
        threading.Thread(target=lambda: [FileKeyStore(store.path).change(add) for _ in range(5)])
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.read()) == 30


def test_processes_changing_at_once_lose_nothing(store: FileKeyStore) -> None:
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "from depthcast.live.key_stores import FileKeyStore; from depthcast.live.keys import make_key\n"
        "for _ in range(10):\n"
        "    FileKeyStore(Path(sys.argv[1])).change(lambda ring: ring.with_keys(\n"
        "        [make_key('desk', ring.new_secret(os.urandom), now_ns=time.time_ns())]))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(store.path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(store.read()) == 30


def test_the_settings_say_which_store(tmp_path: Path) -> None:
    file = open_key_store("file", file=tmp_path / "k.json", secret_id=SECRET_ID)
    assert isinstance(file, FileKeyStore)
    assert str(file) == str(tmp_path / "k.json")
    secret = open_key_store("secretsmanager", file=tmp_path, secret_id=SECRET_ID)
    assert isinstance(secret, SecretsManagerKeyStore)
    assert str(secret) == "secret a/b"
