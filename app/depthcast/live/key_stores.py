"""Where a gateway's keys are kept: a file of one's own, or a secret in AWS Secrets Manager.

Both hold one JSON document (`KeyRing.to_json`), secrets included. Changing it is read, change, write, and
fails rather than undo what another wrote meanwhile.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from depthcast.errors import KeyStoreError
from depthcast.live.keys import KeyRing

__all__ = ["FileKeyStore", "KeyStore", "SecretsManagerKeyStore", "open_key_store"]

Change = Callable[[KeyRing], KeyRing]
"""From the keys as they are to the keys as they shall be; called again if another wrote meanwhile."""

MAX_FILE_BYTES: Final = 16 << 20
MAX_SECRET_BYTES: Final = 65_536
"""What Secrets Manager holds in one secret."""
CHANGE_ATTEMPTS: Final = 10

_CURRENT: Final = "AWSCURRENT"
_PENDING: Final = "DEPTHCAST_PENDING"
"""The label of a version that is not current yet: one without any could be deleted."""
_TIMEOUT_S: Final = 5


class KeyStore(Protocol):
    """Keys in a lasting place. Its methods wait for files or the network: not for the event loop."""

    def read(self) -> KeyRing:
        """The keys as they are now; none where nothing was stored yet.

        Raises:
            KeyStoreError: they cannot be read, or are not what they should be.
        """

    def change(self, change: Change) -> KeyRing:
        """Replace the keys by what ``change`` makes of them, and return that.

        Raises:
            KeyStoreError: as for `read`, or they cannot be written. What was stored is then untouched.
        """


class FileKeyStore:
    """Keys in a file that only its owner may read.

    It is replaced as a whole, under a lock beside it (``.NAME.lock``); reading takes no lock and reads again
    only if the file has changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._ring = KeyRing()

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> KeyRing:
        """See `KeyStore.read`. A file that others than its owner may read is refused."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            self._stamp, self._ring = None, KeyRing()
            return self._ring
        except OSError as error:
            raise self._error(_reason(error)) from error
        try:
            found = os.fstat(descriptor)
            self._check(found)
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._stamp = None
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    self._ring = self._parse(file.read())
                self._stamp = stamp
        finally:
            os.close(descriptor)
        return self._ring

    def change(self, change: Change) -> KeyRing:
        """See `KeyStore.change`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                ring = change(self.read())
                self._write(ring.to_json(indent=2) + b"\n")
                return ring
        except OSError as error:
            raise self._error(_reason(error)) from error

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._error("not a file")
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(found.st_mode)
            raise self._error(f"others than its owner may use it (mode {mode:04o}): chmod 600 {self.path}")
        if found.st_size > MAX_FILE_BYTES:
            raise self._error(f"{found.st_size:,} bytes are no list of keys")

    def _parse(self, document: bytes) -> KeyRing:
        try:
            return KeyRing.from_json(document)
        except KeyStoreError as error:
            raise self._error(str(error)) from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        name = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, document: bytes) -> None:
        target = self.path.resolve()  # through a link, to the file that it names
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        temporary.unlink(missing_ok=True)  # of an earlier process of our number; the lock is ours
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if target.exists() and (before := target.stat()).st_uid != os.geteuid():
                    os.fchown(descriptor, before.st_uid, before.st_gid)  # root changes a service's own keys
                file.write(document)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _error(self, reason: str) -> KeyStoreError:
        return KeyStoreError(reason, path=str(self.path))


class SecretsManagerKeyStore:
    """Keys in one secret of AWS Secrets Manager (needs the extra ``depthcast[aws]``).

    Region, credentials and endpoint are found as by any AWS program. A change adds a version and moves the
    label AWSCURRENT to it from the version that was read: the service refuses if the label is elsewhere by
    then, and the change is made again on what is there.
    """

    def __init__(self, secret_id: str) -> None:
        self.secret_id = secret_id
        self._client: Any = None
        self._read: tuple[str, KeyRing] | None = None

    def __str__(self) -> str:
        return f"secret {self.secret_id}"

    def read(self) -> KeyRing:
        """See `KeyStore.read`."""
        return self._current()[1]

    def change(self, change: Change) -> KeyRing:
        """See `KeyStore.change`."""
        for _ in range(CHANGE_ATTEMPTS):
            version, ring = self._current()
            changed = change(ring)
            document = changed.to_json().decode()
            if len(document) > MAX_SECRET_BYTES:
                raise self._error(
                    f"{len(changed)} keys take {len(document):,} bytes; a secret holds {MAX_SECRET_BYTES:,}"
                )
            if (version is None and self._create(document)) or self._replace(version, document):
                return changed
        raise self._error(f"others keep changing it; gave up after {CHANGE_ATTEMPTS} attempts")

    def _current(self) -> tuple[str | None, KeyRing]:
        answer = self._call(
            "get_secret_value",
            absent="ResourceNotFoundException",
            SecretId=self.secret_id,
            VersionStage=_CURRENT,
        )
        if answer is None:
            return None, KeyRing()
        version = answer["VersionId"]
        if self._read is None or self._read[0] != version:
            if "SecretString" not in answer:
                raise self._error("holds bytes, not text: not a list of keys")
            try:
                self._read = version, KeyRing.from_json(answer["SecretString"])
            except KeyStoreError as error:
                raise self._error(str(error)) from None
        return self._read

    def _create(self, document: str) -> bool:
        made = self._call(
            "create_secret",
            absent="ResourceExistsException",
            Name=self.secret_id,
            Description="Keys of Depthcast's gateway (depthcast keys)",
            SecretString=document,
        )
        return made is not None

    def _replace(self, version: str | None, document: str) -> bool:
        """Make ``document`` current if ``version`` still is; None is a secret that has no value yet."""
        added = self._call(
            "put_secret_value",
            SecretId=self.secret_id,
            SecretString=document,
            VersionStages=[_PENDING],
        )
        if version is None and _CURRENT in added.get("VersionStages", ()):
            return True  # a secret's first version is current at once
        moved = self._call(
            "update_secret_version_stage",
            absent="InvalidParameterException",
            SecretId=self.secret_id,
            VersionStage=_CURRENT,
            MoveToVersionId=added["VersionId"],
            **({} if version is None else {"RemoveFromVersionId": version}),
        )
        return moved is not None

    def _call(self, operation: str, *, absent: str | None = None, **arguments: object) -> Any:
        """The service's answer; None where it says ``absent``."""
        client = self._connect()
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(client, operation)(**arguments)
        except ClientError as error:
            fault = error.response.get("Error", {})
            if absent is not None and fault.get("Code") == absent:
                return None
            raise self._error(f"{fault.get('Code')}: {fault.get('Message')}") from error
        except BotoCoreError as error:
            raise self._error(str(error)) from error

    def _connect(self) -> Any:
        if self._client is None:
            try:
                import boto3
                from botocore.config import Config
                from botocore.exceptions import BotoCoreError
            except ImportError:
                raise self._error("keys in Secrets Manager need boto3: install depthcast[aws]") from None
            retries = {"mode": "standard", "total_max_attempts": 3}
            timeouts = Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries=retries)
            region = os.environ.get("AWS_REGION")  # as containers are given it; boto3 has another name for it
            try:
                self._client = boto3.client("secretsmanager", region_name=region, config=timeouts)
            except BotoCoreError as error:
                raise self._error(str(error)) from error
        return self._client

    def _error(self, reason: str) -> KeyStoreError:
        return KeyStoreError(reason, path=str(self))


def open_key_store(kind: Literal["file", "secretsmanager"], *, file: Path, secret_id: str) -> KeyStore:
    """The store that the settings ``keys.store``, ``keys.file`` and ``keys.secret_id`` name."""
    return FileKeyStore(file) if kind == "file" else SecretsManagerKeyStore(secret_id)


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
