"""Where a bundle comes from and what speaks for it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qbrix.bundle.manifest import Library, Provenance
from qbrix.bundle.source import OwnSource
from qbrix.bundle.verify import host_versions
from qbrix.errors import InvalidParameter

__all__ = ["check_json", "provenance_of"]


def provenance_of(
    source: Library | OwnSource, *, seed: int, environment: Any, evidence: Any
) -> Provenance:
    """Versions and notebook of this process, the environment's spec and the evidence."""
    host = host_versions()
    own = source if isinstance(source, OwnSource) else None
    summary = _summary(evidence)
    spec = None if environment is None else environment.spec()
    check_json(summary, name="evidence")
    check_json(spec, name="environment.spec()")
    return Provenance(
        versions={name: text for name, text in host.items() if name != "platform"},
        platform=host["platform"],
        source_file=own.file_name if own else None,
        notebook=_notebook(),
        requires=own.requires if own else {},
        seed=seed,
        environment=spec,
        evidence=summary,
    )


def _summary(evidence: Any) -> Any:
    """A simulation result by its summary, a table by its rows, anything else as it is."""
    if hasattr(evidence, "summary"):
        evidence = evidence.summary()
    if hasattr(evidence, "to_json") and hasattr(evidence, "reset_index"):
        return json.loads(evidence.reset_index().to_json(orient="records"))
    return dict(evidence) if isinstance(evidence, Mapping) else evidence


def check_json(value: Any, *, name: str) -> None:
    """Raise `InvalidParameter` unless JSON gives back what it was given."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        same = False
    if not same:
        raise InvalidParameter(
            f"{name} = {value!r} cannot be stored: expected numbers (finite), text, true, false, "
            "lists, and objects with text keys"
        )


def _notebook() -> str | None:
    """Name of the running notebook, as Jupyter or VS Code tell it."""
    told = os.environ.get("JPY_SESSION_NAME", "")
    if "IPython" in sys.modules:
        from IPython import get_ipython

        shell = get_ipython()
        told = told or str(shell.user_ns.get("__vsc_ipynb_file__", "") if shell else "")
    return Path(told).name if told.endswith(".ipynb") else None
