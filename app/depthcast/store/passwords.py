"""Where the password of a database comes from, if it is not in its address.

Both need the extra ``aws``. Region, credentials and endpoint are found as by any AWS program.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from depthcast.errors import StoreError

__all__ = ["Password", "iam_token", "read_secret", "secret_password"]

Password = Callable[[], Awaitable[str]]
"""Gives the password; asked for each new connection."""

_TIMEOUT_S: Final = 5
_PORT: Final = 5432


def iam_token(url: str) -> Password:
    """Tokens of Amazon RDS, for the user and the host of an address: each is good for 15 minutes.

    The user needs ``rds_iam`` in the database, the role that asks ``rds-db:connect``, the connection TLS.
    """
    parts = urlsplit(url)

    def ask() -> str:
        return str(
            _client("rds").generate_db_auth_token(
                DBHostname=parts.hostname, Port=parts.port or _PORT, DBUsername=unquote(parts.username or "")
            )
        )

    async def password() -> str:
        return await asyncio.to_thread(_explained, "a token of Amazon RDS cannot be made", ask)

    return password


def secret_password(secret_id: str, read: Callable[[str], str] | None = None) -> Password:
    """The password in a secret of AWS Secrets Manager, by its name or ARN, as it is at that time.

    Args:
        secret_id: of a secret that is a password, or JSON with a ``password``, as Amazon RDS makes them.
        read: gives the text of a secret; `read_secret` if none is given.
    """
    reader = read_secret if read is None else read

    async def password() -> str:
        text = await asyncio.to_thread(_explained, f"secret {secret_id}", lambda: reader(secret_id))
        return _password_in(text, secret_id)

    return password


def read_secret(secret_id: str) -> str:
    """The text of a secret of AWS Secrets Manager."""
    return str(_client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"])


def _password_in(text: str, secret_id: str) -> str:
    if not text.lstrip().startswith("{"):
        return text
    try:
        found = json.loads(text)["password"]
    except (ValueError, KeyError):
        found = None
    if not isinstance(found, str) or not found:
        raise StoreError(f"secret {secret_id}: it is JSON without a password") from None
    return found


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        config=Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 3}),
    )


def _explained(what: str, ask: Callable[[], str]) -> str:
    """What ``ask`` gives; what it raises says what was asked for, and nothing of the answer."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise StoreError(f"{what}: install depthcast[aws]") from None
    try:
        return ask()
    except KeyError:
        raise StoreError(f"{what}: it holds bytes, not text") from None
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"{what}: {error}") from error
