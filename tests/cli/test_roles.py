"""The roles as processes over real stores: the loop, the drain, the word about being ready."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.processes import qbrix, role
from tests.waiting import PATIENCE_S, until


def admin(environment: Mapping[str, str]) -> str:
    wanted = ("--tenant", "local", "--name", "admin", "--role", "admin")
    made = qbrix("key", "create", *wanted, environment=environment)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def play(http: httpx.Client, *, name: str, rounds: int) -> dict[str, Any]:
    """An experiment with as many selects and rewards."""
    arms = {"name": name, "arms": [{"name": "a"}, {"name": "b"}]}
    pool = http.post("/api/v1/pools", json=arms).json()
    asked = {
        "name": name,
        "pool_id": pool["id"],
        "policy": "LinUCBPolicy",
        "policy_params": {"dim": 2},
    }
    made: dict[str, Any] = http.post("/api/v1/experiments", json=asked).json()
    for number in range(rounds):
        context = {"id": f"u{number}", "vector": [1.0, number / rounds]}
        body = {"experiment_id": made["id"], "context": context}
        selected = http.post("/api/v1/agent/select", json=body)
        assert selected.status_code == 200, selected.text
        reward = {"request_id": selected.json()["request_id"], "reward": number % 2}
        for _ in range(2):  # each delivered twice
            answer = http.post("/api/v1/agent/feedback", json=reward)
            assert answer.status_code == 201, answer.text
    return made


def folded(http: httpx.Client, experiment: str) -> int:
    """How many rewards the ledger has counted."""
    from base64 import b64decode

    from qbrix.ledger import Batch

    url = f"/api/v1/experiments/{experiment}/ledger?limit=1000"
    batches = http.get(url).json()["batches"]
    rows = [Batch.from_bytes(b64decode(one["data"])).rows for one in batches]
    return sum(len(one) for one in rows if one is not None)


def test_the_loop_runs_over_processes_and_real_stores(environment: dict[str, str]) -> None:
    key = admin(environment)
    with role("cortex", environment=environment) as cortex:
        environment["PROXY_CORTEX_ADDRESS"] = f"127.0.0.1:{cortex['ports']['grpc']}"
        with role("motor", environment=environment) as motor:
            address = f"127.0.0.1:{motor['ports']['grpc']}"
            with role("proxy", "--motor-address", address, environment=environment) as proxy:
                check_loop(proxy, key, name="split")
        with role("proxy", "--fused", environment=environment) as proxy:
            check_loop(proxy, key, name="fused")
    assert not list(Path(environment["QBRIX_RUN_DIR"]).glob("*.ready"))


def check_loop(proxy: dict[str, Any], key: str, *, name: str) -> None:
    url = f"http://127.0.0.1:{proxy['ports']['http']}"
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=PATIENCE_S) as http:
        made = play(http, name=name, rounds=20)
        until(lambda: folded(http, made["id"]) == 20)
        state = http.get(f"/api/v1/experiments/{made['id']}/state").json()
        body = {"experiment_id": made["id"], "context": {"id": "u", "vector": [1.0, 0.5]}}
        until(
            lambda: (
                http.post("/api/v1/agent/select", json=body).json()["state_version"]
                >= state["version"]
            )
        )
        for part in ("redis", "motor", "cortex"):
            health = http.get(f"/api/v1/runtime/{part}/health").json()
            assert health["status"] == "healthy", health
        until(
            lambda: (
                len(http.get(f"/api/v1/experiments/{made['id']}/decisions").json()["decisions"])
                >= 20
            )
        )


@pytest.mark.parametrize("secret", ["PROXY_TOKEN_KEY_FILE", "PROXY_JWT_KEY_FILE"])
def test_a_role_that_cannot_start_says_why_in_one_sentence(
    environment: dict[str, str], secret: str
) -> None:
    """No secret has a default."""
    del environment[secret]
    failed = qbrix("proxy", environment=environment)
    assert failed.returncode == 1
    assert f"{secret} is not set" in failed.stderr
    assert "Traceback" not in failed.stderr
