"""Bundles verified in processes that compute differently, and by the command line."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qbrix.bundle import Bundle, Certificate, export
from qbrix.policies.lin_ts import LinTSPolicy
from tests.bundle.test_format import with_manifest


def verified(path: Path, **environment: str) -> tuple[int, str]:
    """Exit code and output of ``python -m qbrix.bundle``."""
    ended = subprocess.run(
        [sys.executable, "-m", "qbrix.bundle", str(path)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="the names of the kernels are those of x86",
)
def test_a_trace_replays_with_vector_units_and_blas_kernels_switched(tmp_path: Path) -> None:
    path = tmp_path / "p.qbrix"
    export(LinTSPolicy(), path=path, arms=4, dim=20)
    units = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    code, answer = verified(
        path, OPENBLAS_CORETYPE="Prescott", NPY_DISABLE_CPU_FEATURES=" ".join(units)
    )
    assert code == 0, answer
    certificate = Certificate.from_json(answer)
    assert certificate.max_propensity_error <= 1e-10
    assert certificate.near_ties == 0


def test_the_command_line_tells_why_a_bundle_is_refused(shares: Bundle, tmp_path: Path) -> None:
    source = shares.members["policy.py"].replace(
        b"prepared.paid + self", b"2 * prepared.paid + self"
    )
    (tmp_path / "p.qbrix").write_bytes(with_manifest(shares, {}, policy_py=source))
    code, answer = verified(tmp_path / "p.qbrix")
    assert code == 1
    assert json.loads(answer)["refused"] == "trace"
    assert "the propensities are off by" in json.loads(answer)["message"]
