"""Verification in a fresh interpreter that sees the bundle and the installed packages only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from qbrix.bundle.format import Bundle
from qbrix.bundle.verify import Certificate
from qbrix.errors import BundleError

__all__ = ["verify_fresh"]

_TIMEOUT_S = 300.0
# What a process needs to find its libraries; everything else could be an input of the policy.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "HOME")
_CHILD = """
import sys
packages = (i for i, place in enumerate(sys.path) if place.endswith("-packages"))
at = next(packages, len(sys.path))
sys.path[at:at] = sys.argv[3:]
from qbrix.bundle.__main__ import main
raise SystemExit(main(sys.argv[1:3]))
"""


def verify_fresh(bundle: Bundle) -> Certificate:
    """`Bundle.verify` in a new process: empty directory, empty environment, nothing imported.

    Raises
    ------
    BundleError
        ``trace`` or ``source``, as `Bundle.verify` does.
    """
    with tempfile.TemporaryDirectory(prefix="qbrix-verify-") as folder:
        file, result = Path(folder, "bundle.zip"), Path(folder, "result.json")
        file.write_bytes(bundle.data)
        command = [sys.executable, "-I", "-B", "-c", _CHILD, str(file), str(result), *_roots()]
        try:
            ended = subprocess.run(
                command,
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BundleError(
                "trace", f"replaying the golden trace took more than {_TIMEOUT_S:g} s"
            ) from None
        if not result.exists():
            last = ended.stderr.decode(errors="replace").strip()[-2000:]
            raise BundleError(
                "trace", f"the fresh interpreter ended with code {ended.returncode}: {last}"
            )
        answer = json.loads(result.read_text("utf-8"))
    if "refused" in answer:
        raise BundleError(answer["refused"], f"in a fresh interpreter: {answer['message']}")
    return Certificate.from_json(json.dumps(answer))


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


def _roots() -> list[str]:
    """Where this process found the core packages, which isolated mode may not search."""
    roots: list[str] = []
    for name in ("qbrix", "numpy", "scipy"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        root = str(Path(spec.origin).parent.parent)
        roots += [] if root in roots else [root]
    return roots
