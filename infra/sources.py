"""What a feed's source needs of the network and of IAM."""

from typing import Final
from urllib.parse import urlsplit

from infra.components.roles import Statement, allow
from infra.settings import Settings

__all__ = ["source_port", "source_statements"]

_LIVE_PORT: Final = 13000


def source_port(settings: Settings) -> int | None:
    """Where the feed's own source listens, if it is another gateway."""
    if not settings.shared_source:
        return None
    if settings.source.startswith("databento://"):
        return _LIVE_PORT
    return urlsplit(settings.source).port or _LIVE_PORT


def source_statements(source: str) -> list[Statement]:
    """To read a source that is an object of S3."""
    if not source.startswith("s3://"):
        return []
    parts = urlsplit(source)
    return [
        allow("s3:GetObject", f"arn:aws:s3:::{parts.netloc}{parts.path}"),
        allow("s3:ListBucket", f"arn:aws:s3:::{parts.netloc}"),
    ]
