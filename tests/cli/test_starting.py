"""What a role loads before it is ready: what it needs, and nothing else."""

from __future__ import annotations

import os
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


@pytest.mark.skipif(
    sys.platform != "linux" or os.cpu_count() == 1,
    reason="threads are counted in /proc, and on one core BLAS has one anyway",
)
def test_a_role_multiplies_in_one_thread_unless_it_is_told_otherwise() -> None:
    assert _threads_of_a_role() == 1
    assert _threads_of_a_role(OPENBLAS_NUM_THREADS="2") == 2


def _threads_of_a_role(**told: str) -> int:
    """How many threads there are when it is loaded and finds that it lacks its settings."""
    code = (
        "import os; from serving.cli.main import main; assert main(['cortex']) == 1;"
        "print(len(os.listdir('/proc/self/task')))"
    )
    silent = ("QBRIX_", "OMP_", "OPENBLAS_", "MKL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(silent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | told, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def _loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
