"""The same log folded in other processes, with other vector units and BLAS kernels.

``python -m qbrix.testing.elsewhere FOLDER`` is what such a process runs.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.state import digest
from qbrix.testing.subject import AnyPolicy, Subject
from qbrix.types import Interactions

__all__ = ["digests_elsewhere", "digests_here"]

_COLUMNS = ("arms", "rewards", "propensities", "state_versions", "contexts", "recorded")
_BATCHES = 4


def digests_here(policies: Sequence[AnyPolicy]) -> list[str]:
    """Digest of the state that each policy folds from its example log, in this process."""
    return [_folded(policy, _log(policy)) for policy in policies]


def digests_elsewhere(policies: Sequence[AnyPolicy]) -> dict[str, list[str]]:
    """The same from two fresh processes, by a description of the process.

    Raises
    ------
    InvalidParameter
        When a policy's class cannot be imported from a module or file.
    """
    with tempfile.TemporaryDirectory(prefix="qbrix-") as folder:
        _write(Path(folder), policies)
        return {
            described: _run(Path(folder), {**variables, "PYTHONHASHSEED": str(seed)})
            for seed, (described, variables) in enumerate(_switches().items())
        }


def _switches() -> dict[str, dict[str, str]]:
    """Environment variables of the processes: nothing switched, and everything."""
    units = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    kernel = "Nehalem" if platform.machine().lower() in ("x86_64", "amd64") else "ARMV8"
    switched = {"NPY_DISABLE_CPU_FEATURES": " ".join(units), "OPENBLAS_CORETYPE": kernel}
    named = " ".join(f"{name}={value!r}" for name, value in switched.items())
    return {"a second process": {}, f"a process with {named}": switched}


def _log(policy: AnyPolicy) -> list[Interactions]:
    subject = Subject(policy)
    rng = subject.rng("elsewhere")
    return [subject.batch(rng, rows=1 + 60 * (index % 2)) for index in range(_BATCHES)]


def _folded(policy: AnyPolicy, log: Sequence[Interactions]) -> str:
    state = Subject(policy).init()
    for batch in log:
        state = policy.update(state, batch)
    return digest(state)


def _write(folder: Path, policies: Sequence[AnyPolicy]) -> None:
    """What a process needs to know: where the classes are, hyper-parameters, logs."""
    columns = {
        f"{number}.{index}.{name}": getattr(batch, name)
        for number, policy in enumerate(policies)
        for index, batch in enumerate(_log(policy))
        for name in _COLUMNS
        if getattr(batch, name) is not None
    }
    np.savez(folder / "log.npz", **columns)
    (folder / "policies.json").write_text(json.dumps([_address(policy) for policy in policies]))


def _address(policy: AnyPolicy) -> dict[str, Any]:
    owner = type(policy)
    if "<locals>" in owner.__qualname__:
        raise InvalidParameter(
            f"{owner.__qualname__} is defined inside a function, another process cannot import it; "
            "move it to the top of a module, or write its cell to a file with %%policy"
        )
    return {
        "module": owner.__module__,
        "file": inspect.getsourcefile(owner),
        "name": owner.__qualname__,
        "parameters": policy.parameters(),
    }


def _run(folder: Path, variables: dict[str, str]) -> list[str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", "qbrix.testing.elsewhere", str(folder)],
        env={**os.environ, "PYTHONPATH": paths, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InvalidParameter(f"the process that should fold the log again failed:\n{done.stderr}")
    digests: list[str] = json.loads(done.stdout)
    return digests


def _load(address: dict[str, Any]) -> AnyPolicy:
    """Import by module name where that finds the class, else from its file."""
    try:
        module = importlib.import_module(address["module"])
        owner = getattr(module, address["name"])
    except (ImportError, AttributeError):
        spec = spec_from_file_location("qbrix_foreign_policy", address["file"])
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        owner = getattr(module, address["name"])
    policy: AnyPolicy = owner(**address["parameters"])
    return policy


def _main(folder: Path) -> None:
    addresses = json.loads((folder / "policies.json").read_text())
    with np.load(folder / "log.npz", allow_pickle=False) as columns:
        digests = [
            _folded(_load(address), _read(columns, number))
            for number, address in enumerate(addresses)
        ]
    sys.stdout.write(json.dumps(digests))


def _read(columns: Any, number: int) -> list[Interactions]:
    batches = []
    for index in range(_BATCHES):
        names = [name for name in _COLUMNS if f"{number}.{index}.{name}" in columns]
        batches.append(
            Interactions(**{name: columns[f"{number}.{index}.{name}"] for name in names})
        )
    return batches


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
