"""An environment with real stores and secrets, as an operator would set it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qbrix.bundle import SigningKey, TrustedKeys
from serving.stack.folders import keep_secret
from tests.waiting import PATIENT


@pytest.fixture
def environment(
    tmp_path: Path,
    fresh_postgres_url: str,
    fresh_redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """Variables for the roles, set in this process too; ports are chosen by the system."""
    for name in ("draw", "token", "jwt"):
        keep_secret(tmp_path / f"{name}.key")
    trusted = tmp_path / "trusted_keys"
    trusted.mkdir()
    key = SigningKey.load_or_create(tmp_path / "signing_key")
    TrustedKeys([key.public]).save(trusted / "local.pub")
    run = tmp_path / "run"
    run.mkdir()
    wanted = {
        "QBRIX_POSTGRES_URL": fresh_postgres_url,
        "QBRIX_REDIS_URL": fresh_redis_url,
        "QBRIX_RUN_DIR": str(run),
        "QBRIX_DRAW_KEY_FILE": str(tmp_path / "draw.key"),
        "QBRIX_TRUSTED_KEYS_DIR": str(trusted),
        "PROXY_TOKEN_KEY_FILE": str(tmp_path / "token.key"),
        "PROXY_JWT_KEY_FILE": str(tmp_path / "jwt.key"),
        "PROXY_HTTP_PORT": "0",
        "PROXY_GRPC_PORT": "0",
        "MOTOR_GRPC_PORT": "0",
        "CORTEX_GRPC_PORT": "0",
        "MOTOR_HTTP_PORT": "0",
        "CORTEX_HTTP_PORT": "0",
        **PATIENT,
    }
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **wanted}
