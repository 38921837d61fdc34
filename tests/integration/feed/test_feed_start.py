"""How a feed starts: addresses first, the journal then; a signal meanwhile; what killed feeds have left."""

import asyncio
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from depthcast.dbn import read_dbn
from depthcast.feed.options import FeedOptions
from depthcast.feed.service import FeedService
from depthcast.feed.sources.file import FileSource
from depthcast.journal.epochs import FolderLock
from depthcast.live.address import Address
from depthcast.settings import KeySettings, Settings
from tests.support.command import command
from tests.support.feed_process import FeedProcess


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 records of a simulated exchange."""
    path = tmp_path_factory.mktemp("sim") / "sim.dbn"
    assert command("simulate", "-o", path, "--records", 10_000, "-q").code == 0
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def journal_folder(journal: Path) -> Path:
    return journal / "journal" / "dataset=XSIM.MBO" / "shard=0"


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """The journal's folder as another writer holds it that does not give it up."""
    lock = journal_folder(journal) / "open" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_for_epoch(journal: Path, epoch: int) -> None:
    """Until a start has come to the journal."""
    deadline = time.monotonic() + 20
    while not (journal_folder(journal) / "epochs" / f"{epoch:08d}.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("doom", ["--listen", "--admin", "keys.file", "gateway.tls_certificate"])
def test_a_second_feed_that_cannot_start_does_not_end_the_first(
    doom: str, simulated: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    (tmp_path / "broken").write_text("no keys, no certificate")
    (tmp_path / "broken").chmod(0o600)
    with FeedProcess(simulated, "--rate", 1_000, "--journal", journal) as first:
        first.wait_for("running")
        taken = {"--listen": f"127.0.0.1:{first.port}", "--admin": f"127.0.0.1:{first.admin_port}"}
        wrong = (doom, taken[doom]) if doom in taken else ("--set", f"{doom}={tmp_path / 'broken'}")
        with FeedProcess(simulated, "--journal", journal, *wrong) as second:
            assert second.wait() != 0
            (said,) = second.errors
        if doom in taken:
            assert said == (
                f"depthcast: error: {taken[doom]}: address already in use: end what listens there, "
                f"or give {doom} another address; port 0 is a free one\n"
            )
        assert not (journal_folder(journal) / "epochs" / "00000002.json").exists()
        time.sleep(1.2)  # the first looks for newer writers once a second
        assert first.stop() == 0
    assert command("journal", "verify", journal, "-q").code == 0


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        (
            "192.0.2.1:0",
            "192.0.2.1:0: cannot assign requested address: give --listen an address of this machine",
        ),
        ("no.such.host.invalid:0", "no.such.host.invalid:0: "),
    ],
)
def test_an_address_that_cannot_be_had_is_named(listen: str, said: str, simulated: Path) -> None:
    with FeedProcess(simulated, "--journal", "none", "--listen", listen) as feed:
        assert feed.wait() == 4
        assert len(feed.errors) == 1
        assert feed.errors[0].startswith(f"depthcast: error: {said}")
        assert "--listen" in feed.errors[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_it_listens_ends_the_start(
    number: signal.Signals, simulated: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with FeedProcess(simulated, "--rate", 20_000, "--journal", journal) as feed:
        feed.wait_for("running")
        time.sleep(0.2)
        feed.stop(signal.SIGKILL)
    with locked(journal), FeedProcess(simulated, "--max", "--journal", journal) as feed:
        wait_for_epoch(journal, 2)
        begun = time.monotonic()
        assert feed.stop(number) == 0
        assert time.monotonic() - begun < 3
        assert [line["event"] for line in feed.log] == ["stopping"]
        assert feed.errors == []
    with FeedProcess(simulated, "--max", "--linger", 0, "--journal", journal) as feed:
        assert feed.wait() == 0
    assert command("journal", "cat", journal, "-o", tmp_path / "cat.dbn", "-q").code == 0
    assert read_dbn(tmp_path / "cat.dbn").records().tobytes() == read_dbn(simulated).records().tobytes()


def test_who_connects_while_it_starts_is_served_then(simulated: Path, tmp_path: Path) -> None:
    journal, port = tmp_path / "journal", free_port()
    with FeedProcess(simulated, "--rate", 1, "--journal", journal, "--listen", f"127.0.0.1:{port}") as feed:
        with locked(journal):
            wait_for_epoch(journal, 1)
            early = socket.create_connection(("127.0.0.1", port), timeout=20)
            early.setblocking(False)  # noqa: FBT003 - it takes no keyword
            time.sleep(0.1)
            with pytest.raises(BlockingIOError):
                early.recv(1)
            early.settimeout(20)
        with early:
            assert early.recv(100).startswith(b"lsg_version=")
        assert feed.stop() == 0


class Interrupted(FileSource):
    """A source during whose opening somebody presses Ctrl-C."""

    closed = False

    def open(self, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True
        super().close()


def test_a_start_that_is_broken_off_gives_back_all_it_took(simulated: Path, tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    source = Interrupted([str(simulated)], loop=False, chunk_bytes=1 << 16)
    options = FeedOptions(
        sources=(str(simulated),),
        listen=Address("127.0.0.1", port),
        admin=Address("127.0.0.1", admin),
        journal=str(tmp_path / "journal"),
    )
    settings = Settings(keys=KeySettings(file=tmp_path / "keys.json"))

    async def main() -> None:
        with pytest.raises(KeyboardInterrupt):
            FeedService(source, options, settings)

    asyncio.run(main())
    assert source.closed
    for number in (port, admin):
        socket.create_server(("127.0.0.1", number)).close()
    lock = FolderLock(journal_folder(tmp_path / "journal") / "open")
    lock.take(0)
    lock.release()


def test_the_temporary_journal_of_a_killed_feed_goes_with_the_next(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def left() -> list[str]:
        return [name for name in os.listdir(tmp_path) if name.startswith("depthcast-")]  # noqa: PTH208

    with FeedProcess(simulated, "--rate", 1_000) as killed:
        killed.wait_for("running")
        killed.stop(signal.SIGKILL)
    (abandoned,) = left()
    with FeedProcess(simulated, "--rate", 1_000) as feed:
        feed.wait_for("running")
        (own,) = left()
        assert own != abandoned
        assert feed.stop() == 0
    assert left() == []


def test_what_waits_for_a_store_is_in_no_temporary_journal(simulated: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    arguments = ("--max", "--linger", 0, "--set", f"journal.store={store}")
    with FeedProcess(simulated, *arguments, cwd=tmp_path) as feed:
        assert feed.wait() == 0
    assert list((tmp_path / "out" / "spool").glob("journal/dataset=*/shard=0/date=*/*.dbn.zst"))
    assert list(store.glob("journal/dataset=*/shard=0/date=*/*.dbn.zst"))
