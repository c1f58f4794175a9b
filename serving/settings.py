"""What can be set from outside: environment variables, and flags that win over them.

Nothing is read at import; each role's object is built from its settings. A secret has no default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from qbrix.errors import InvalidParameter

__all__ = [
    "CortexSettings",
    "MotorSettings",
    "ProxySettings",
    "SharedSettings",
    "read_secrets",
    "read_settings",
]

S = TypeVar("S", bound=BaseSettings)
Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]


class SharedSettings(BaseSettings):
    """What every role needs to find its stores (``QBRIX_…``)."""

    model_config = SettingsConfigDict(env_prefix="QBRIX_", extra="forbid", frozen=True)

    postgres_url: SecretStr
    redis_url: SecretStr
    run_dir: Path | None = None
    draw_key_file: Path | None = None
    trusted_keys_dir: Path | None = None
    life: str | None = None  # name of this life of this process; made up when nobody gives one
    predecessor: str | None = None  # name of a life before it that is over for certain
    shards: int = Field(default=8, ge=1, le=1024)  # may grow; experiments stay where they are
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class ProxySettings(BaseSettings):
    """The gateway (``PROXY_…``)."""

    model_config = SettingsConfigDict(env_prefix="PROXY_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    http_port: Port = 8080
    grpc_port: Port = 50050
    grpc_tls_cert_file: Path | None = None
    grpc_tls_key_file: Path | None = None
    reuse_port: bool = False
    probe_host: str = "127.0.0.1"
    probe_port: Port | None = None  # /livez, /readyz, /metrics of this proxy alone, told in full
    motor_address: str | None = None
    cortex_address: str = "127.0.0.1:50052"
    token_key_file: Path | None = None
    jwt_key_file: Path | None = None
    signup: Literal["first-user", "open", "closed"] = "first-user"
    access_token_s: Seconds = 30 * 60.0
    refresh_token_s: Seconds = 7 * 86_400.0
    invite_s: Seconds = 72 * 3600.0
    password_threads: int = Field(default=1, ge=1)
    password_queue: int = Field(default=32, ge=0)
    password_memory_kib: int = Field(default=19_456, ge=8)
    password_rounds: int = Field(default=2, ge=1)
    sign_ins_per_address: int = Field(default=60, ge=0)  # a minute; 0 is no limit
    sign_ins_per_email: int = Field(default=10, ge=0)
    forwarded_hops: int = Field(default=0, ge=0)  # our proxies in X-Forwarded-For
    rate_limit_per_minute: int = Field(default=0, ge=0)  # selects and feedback of a key; 0 is none
    token_lifetime_s: float = Field(default=30 * 86_400.0, ge=2 * 86_400.0, le=30 * 86_400.0)
    user_poll_s: Seconds = 2.0
    durability: Literal["always", "everysec", "memory"] = "always"
    body_limit_bytes: int = Field(default=1 << 20, ge=1024)
    batch_limit_bytes: int = Field(default=32 << 20, ge=1024)
    bundle_limit_bytes: int = Field(default=16 << 20, ge=1024)
    head_deadline_s: Seconds = 10.0
    body_deadline_s: Seconds = 60.0
    record_ttl_s: Seconds = 5.0
    key_ttl_s: Seconds = 30.0
    durability_check_s: Seconds = 1.0
    control_wait_s: float = Field(default=2.0, ge=0)
    promotion_deadline_s: Seconds = 30.0
    motor_deadline_s: Seconds = 0.5
    intake_deadline_s: Seconds = 5.0
    intake_limit: int = Field(default=20_000, ge=1)
    backlog_limit: int = Field(default=1_000_000, ge=1)  # unread events of a shard
    kept_limit_bytes: int = Field(default=128 << 20, ge=1 << 10)  # acknowledged, not yet learned
    decision_buffer: int = Field(default=50_000, ge=1)
    decision_sampling: float = Field(default=1.0, gt=0, le=1)  # of the decision log
    remembered_feedback: int = Field(default=100_000, ge=0)
    drain_s: Seconds = 10.0


class MotorSettings(BaseSettings):
    """Selection (``MOTOR_…``)."""

    model_config = SettingsConfigDict(env_prefix="MOTOR_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    grpc_port: Port = 50051
    link_port: Port = 0  # where proxies ask; 0 is any free one, which they are told over gRPC
    http_port: Port = 50061  # /livez, /readyz, /metrics
    state_ttl_s: Seconds = 5.0
    absent_ttl_s: Seconds = 1.0
    load_deadline_s: Seconds = 1.0
    experiments: int = Field(default=10_000, ge=1)


class CortexSettings(BaseSettings):
    """Learning (``CORTEX_…``)."""

    model_config = SettingsConfigDict(env_prefix="CORTEX_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    grpc_port: Port = 50052
    http_port: Port = 50062  # /livez, /readyz, /metrics
    behind_limit_s: Seconds = 60.0  # not healthy when the oldest unread event is older
    window_grace_s: float = Field(default=5.0, ge=0)  # after its end a window is closed
    lease_ttl_s: Seconds = 5.0
    lease_renew_s: Seconds = 1.0
    upkeep_s: Seconds = 60.0
    restore_after_s: Seconds = 60.0
    # Each is at least a day more than a token lives.
    key_retention_s: Seconds = 31 * 86_400.0
    decision_retention_s: Seconds | None = None  # None keeps them for ever
    ledger_retention_s: Seconds | None = None  # what is dropped can never be folded again


def read_settings(kind: type[S], **given: Any) -> S:
    """Settings from the environment; what is given wins. Raises InvalidParameter by name."""
    try:
        return kind(**given)
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        wrong = [
            f"{prefix}{'.'.join(map(str, item['loc']))}".upper() + f": {item['msg']}"
            for item in error.errors()
        ]
        raise InvalidParameter(f"settings cannot be read: {'; '.join(wrong)}") from None


def read_secrets(path: Path | None, *, setting: str) -> list[bytes]:
    """The keys of a file: one per line, 32 bytes as hex, the newest first."""
    if path is None:
        raise InvalidParameter(f"{setting} is not set; name a file with 32 random bytes in hex")
    try:
        secrets = [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError) as error:
        raise InvalidParameter(f"{setting}={path}: {error}; expected 64 hex characters") from None
    if not secrets or any(len(secret) != 32 for secret in secrets):
        sizes = [len(secret) for secret in secrets]
        raise InvalidParameter(f"{setting}={path} holds keys of {sizes} bytes, expected 32 each")
    return secrets
