"""Where a gateway's keys are kept: a file of one's own, or a secret in AWS Secrets Manager.

Both hold one JSON document (`KeyRing.to_json`), secrets included. Changing it is read, change, write, and
fails rather than undo what another wrote meanwhile.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from depthcast.errors import KeyStoreError
from depthcast.live.keys import KeyRing
from depthcast.live.private_file import PrivateFile

__all__ = ["FileKeyStore", "KeyStore", "SecretsManagerKeyStore", "open_key_store"]

Change = Callable[[KeyRing], KeyRing]
"""From the keys as they are to the keys as they shall be; called again if another wrote meanwhile."""

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


class FileKeyStore(PrivateFile[KeyRing]):
    """Keys in a file that only its owner may read. A file that others may read is refused."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            empty=KeyRing(),
            parse=KeyRing.from_json,
            encode=lambda ring: ring.to_json(indent=2) + b"\n",
        )


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
