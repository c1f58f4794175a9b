"""What a role loads before it is ready: what it needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qbrix.policies import policies

NEVER = {
    *("IPython", "alembic", "distributed", "gymnasium", "httpx", "matplotlib", "numba", "pandas"),
    *("pytest", "requests", "scipy", "sklearn", "sqlalchemy", "tqdm"),
    *("qbrix.client", "qbrix.environments", "qbrix.evaluation", "qbrix.plots", "qbrix.simulator"),
}
PUBLIC = {"argon2", "fastapi", "jwt", "serving.proxy", "starlette", "uvicorn"}


@pytest.mark.parametrize(
    ("role", "others"),
    [
        ("proxy", {"serving.cortex"}),
        ("motor", {"serving.cortex", *PUBLIC}),
        ("cortex", {"serving.motor", *PUBLIC}),
    ],
)
def test_a_role_starts_without_what_it_does_not_use(role: str, others: set[str]) -> None:
    loaded = _loaded_by(f"serving.cli.living.{role}")
    assert f"serving.{role}" in loaded
    assert not loaded & (NEVER | others)


@pytest.mark.parametrize("module", ["qbrix", "qbrix.policies", "serving.cli.living.cortex"])
def test_no_policy_is_loaded_before_somebody_asks_for_it(module: str) -> None:
    homes = {policy.__module__ for policy in policies}
    assert len(homes) == len(list(policies))
    assert not _loaded_by(module) & homes


def test_naming_a_role_loads_none_of_them() -> None:
    loaded = _loaded_by("serving.cli.main")
    assert not loaded & (NEVER | PUBLIC | {"numpy", "grpc", "redis", "asyncpg", "pydantic"})


def _loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
