"""All settings of Depthcast: a section a part, with types, limits and defaults.

docs/settings.md lists them and says what each does.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from depthcast.settings.layers import Secret

__all__ = [
    "ApiSettings",
    "DatabaseSettings",
    "EngineSettings",
    "ExportSettings",
    "FeedSettings",
    "FunctionSettings",
    "GatewaySettings",
    "HistorySettings",
    "JournalSettings",
    "KeySettings",
    "MaintenanceSettings",
    "ReaderSettings",
    "Settings",
]

_MAX_NS: Final = 2**63 - 1


class EngineSettings(Struct, frozen=True, kw_only=True):
    """The engine that rebuilds the books."""

    kind: Literal["native", "reference"] = "native"
    max_event_records: Annotated[int, Meta(ge=1, le=2**32 - 1)] = 65_536
    max_event_ns: Annotated[int, Meta(ge=1, le=_MAX_NS)] = 60_000_000_000


class ReaderSettings(Struct, frozen=True, kw_only=True):
    """How files are read."""

    chunk_bytes: Annotated[int, Meta(ge=4096, le=1 << 30)] = 256 * 1024


class FeedSettings(Struct, frozen=True, kw_only=True):
    """The feed service: its ring, its pacing, its admin port."""

    admin: str = "127.0.0.1:13080"
    ring_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 36)] = 64 << 20
    batch_bytes: Annotated[int, Meta(ge=1024, le=1 << 24)] = 1 << 20
    burst_us: Annotated[int, Meta(ge=50, le=100_000)] = 300
    stall_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """The gateway: where it listens and what it allows."""

    listen: str = "127.0.0.1:13000"
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    max_sessions: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    max_unauthenticated: Annotated[int, Meta(ge=1, le=100_000)] = 200
    auth_timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    start_timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 600.0
    accepts_per_s: Annotated[float, Meta(gt=0, le=1e6)] = 100.0
    subscriptions_per_s: Annotated[float, Meta(gt=0, le=1e6)] = 10.0
    zstd_sessions: Annotated[int, Meta(ge=0, le=10_000)] = 32
    forms_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 36)] = 64 << 20
    coalesce_ms: Annotated[float, Meta(ge=0, le=1000)] = 5.0
    drain_accept_s: Annotated[float, Meta(ge=0, le=600)] = 5.0
    drain_spread_s: Annotated[float, Meta(ge=0, le=600)] = 20.0


class KeySettings(Struct, frozen=True, kw_only=True):
    """Where the gateway's keys are kept."""

    store: Literal["file", "secretsmanager"] = "file"
    file: Path = Path("out/keys.json")
    secret_id: str = "depthcast/gateway-keys"  # noqa: S105 - the secret's name, not the secret
    reload_s: Annotated[float, Meta(gt=0, le=60)] = 15.0


class JournalSettings(Struct, frozen=True, kw_only=True):
    """The journal: its folder, where closed segments go, when one is closed, what is kept."""

    folder: Path | None = None
    store: str = ""
    sync_s: Annotated[float, Meta(gt=0, le=60)] = 1.0
    segment_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 36)] = 64 << 20
    segment_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    small_head_bytes: Annotated[int, Meta(ge=0, le=1 << 36)] = 16 << 20
    zstd_level: Annotated[int, Meta(ge=1, le=19)] = 3
    retain_bytes: Annotated[int, Meta(ge=0, le=1 << 50)] = 8 << 30
    retain_s: Annotated[float, Meta(gt=0, le=1e9)] = 7 * 86_400.0
    close_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0


class DatabaseSettings(Struct, frozen=True, kw_only=True):
    """The database that segments are compacted into; without an address one of our own, in a folder."""

    url: Secret | None = None
    auth: Literal["password", "iam", "secret"] = "password"
    secret_id: str = ""
    tls_root: Path | None = None
    folder: Path = Path("out/database")
    statement_s: Annotated[float, Meta(gt=0, le=86_400)] = 600.0
    max_age_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    poll_s: Annotated[float, Meta(gt=0, le=3600)] = 2.0
    max_bytes: Annotated[int, Meta(ge=0, le=1 << 50)] = 0
    depth_grid_ms: Literal[10, 20, 50, 100, 200, 250, 500, 1000] = 1000


class MaintenanceSettings(Struct, frozen=True, kw_only=True):
    """How the database and the store are kept in order, and how long rows are kept there."""

    every_s: Annotated[float, Meta(gt=0, le=86_400 * 7)] = 3600.0
    ahead_days: Annotated[int, Meta(ge=0, le=366)] = 3
    keep_trades_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    keep_bbo_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    keep_depth_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    keep_bbo_1s_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    keep_ohlcv_1s_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    look_back_days: Annotated[int, Meta(ge=0, le=36_500)] = 7
    grace_s: Annotated[float, Meta(ge=0, le=86_400 * 7)] = 900.0
    merge_bytes: Annotated[int, Meta(ge=0, le=1 << 30)] = 64 << 20
    merge_after_s: Annotated[float, Meta(ge=0, le=86_400 * 366)] = 3600.0


class FunctionSettings(Struct, frozen=True, kw_only=True):
    """The functions that run in AWS Lambda."""

    segments: str = ""
    dead_letters: str = ""
    reserve_s: Annotated[float, Meta(ge=0, le=600)] = 20.0


class HistorySettings(Struct, frozen=True, kw_only=True):
    """The way from the API to the database."""

    connections: Annotated[int, Meta(ge=1, le=100)] = 4
    wait_s: Annotated[float, Meta(gt=0, le=60)] = 1.5
    statement_s: Annotated[float, Meta(gt=0, le=600)] = 15.0


class ExportSettings(Struct, frozen=True, kw_only=True):
    """Files of history that the API makes on request: where they are kept, how many there may be."""

    store: str = "out/exports"
    at_once: Annotated[int, Meta(ge=0, le=16)] = 1
    per_client: Annotated[int, Meta(ge=1, le=1_000)] = 4
    waiting: Annotated[int, Meta(ge=1, le=100_000)] = 100
    rows: Annotated[int, Meta(ge=1, le=10**12)] = 50_000_000
    retain_s: Annotated[float, Meta(gt=0, le=1e9)] = 86_400.0
    lease_s: Annotated[float, Meta(ge=0.5, le=3600)] = 30.0
    poll_s: Annotated[float, Meta(gt=0, le=3600)] = 2.0


class ApiSettings(Struct, frozen=True, kw_only=True):
    """The API: which gateways it follows, where it listens, who may read, what it allows."""

    listen: str = "127.0.0.1:8000"
    feeds: tuple[str, ...] = ("127.0.0.1:13000",)
    dataset: Annotated[str, Meta(min_length=1, max_length=15)] = "GLBX.MDP3"
    feeds_tls: bool = False
    gather_ms: Annotated[float, Meta(ge=0, le=100)] = 2.0
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    anonymous_read: bool = False
    keys_store: Literal["file", "database"] = "file"
    keys_file: Path = Path("out/api-keys.json")
    keys_reload_s: Annotated[float, Meta(gt=0, le=60)] = 15.0
    session_secret: Secret | None = None
    session_s: Annotated[float, Meta(ge=60, le=86_400 * 90)] = 43_200.0
    sign_ins_per_minute: Annotated[float, Meta(gt=0, le=1e6)] = 10.0
    requests_per_s: Annotated[float, Meta(gt=0, le=1e6)] = 100.0
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    connections_per_address: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    connections_per_key: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    subscriptions_per_connection: Annotated[int, Meta(ge=1, le=10_000)] = 100
    message_bytes: Annotated[int, Meta(ge=256, le=1 << 24)] = 16_384
    messages_per_s: Annotated[float, Meta(gt=0, le=1e6)] = 50.0
    body_bytes: Annotated[int, Meta(ge=0, le=1 << 30)] = 65_536
    header_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    request_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    keep_alive_s: Annotated[int, Meta(ge=1, le=3600)] = 300
    backlog: Annotated[int, Meta(ge=1, le=65_535)] = 4096
    max_clients: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    client_buffer_bytes: Annotated[int, Meta(ge=16_384, le=1 << 30)] = 65_536
    log_requests: Literal["none", "failed", "all"] = "failed"
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    heartbeat_s: Annotated[float, Meta(gt=0, le=30)] = 1.0
    journal: str = ""
    past_threads: Annotated[int, Meta(ge=1, le=64)] = 2
    past_per_key: Annotated[int, Meta(ge=1, le=10_000)] = 4
    past_s: Annotated[float, Meta(gt=0, le=600)] = 10.0
    past_cache_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 40)] = 256 << 20
    replays: Annotated[int, Meta(ge=0, le=10_000)] = 32
    replays_per_key: Annotated[int, Meta(ge=1, le=10_000)] = 4
    retain_trades: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000
    retain_updates: Annotated[int, Meta(ge=0, le=100_000)] = 64
    drain_accept_s: Annotated[float, Meta(ge=0, le=600)] = 5.0
    drain_spread_s: Annotated[float, Meta(ge=0, le=600)] = 10.0


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of Depthcast, one section a part."""

    engine: EngineSettings = EngineSettings()
    reader: ReaderSettings = ReaderSettings()
    feed: FeedSettings = FeedSettings()
    gateway: GatewaySettings = GatewaySettings()
    keys: KeySettings = KeySettings()
    journal: JournalSettings = JournalSettings()
    database: DatabaseSettings = DatabaseSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    functions: FunctionSettings = FunctionSettings()
    history: HistorySettings = HistorySettings()
    exports: ExportSettings = ExportSettings()
    api: ApiSettings = ApiSettings()
