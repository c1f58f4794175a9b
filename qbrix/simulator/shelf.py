"""Finished pieces in a folder, so that an interrupted race can be gone on with.

A piece lies in one file, named by the digest of everything that decides what is in it: policy,
environment, seed, unit, sizes, schedule, and the source code of all of them. Whatever race needs
exactly this piece finds it; any change makes another name. A file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import qbrix
from qbrix.checks import check_path
from qbrix.errors import InvalidParameter
from qbrix.simulator.archive import read_archive, trace_from, trace_tables, write_archive
from qbrix.simulator.unit import AnyPolicy, Piece, Task
from qbrix.state import State, from_bytes, to_bytes

__all__ = ["Shelf", "shelf_in"]

_FORMAT = 1
_PLAYING = ("environments", "policies", "simulator")


class Shelf(Protocol):
    """Where finished pieces are kept."""

    def read(self, task: Task) -> dict[str, Piece]:
        """The pieces of ``task`` that are there, by label."""

    def write(self, task: Task, label: str, piece: Piece) -> None:
        """Keep a finished piece."""


class NoShelf:
    """Keeps nothing."""

    def read(self, task: Task) -> dict[str, Piece]:
        """Nothing."""
        return {}

    def write(self, task: Task, label: str, piece: Piece) -> None:
        """Do nothing."""


class FolderShelf:
    """Keeps pieces as files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, task: Task) -> dict[str, Piece]:
        """The pieces of ``task`` whose files are there."""
        found = {}
        for label in task.policies:
            told = described(task, label)
            path = self._path(told)
            if path.exists():
                found[label] = _piece(path, told, task=task, policy=task.policies[label])
        return found

    def write(self, task: Task, label: str, piece: Piece) -> None:
        """One file, in place when it is complete and on disk."""
        told = described(task, label)
        tables = trace_tables(piece.trace)
        if piece.state is not None:
            tables["state"] = np.frombuffer(to_bytes(piece.state), dtype=np.uint8)
        write_archive(self._path(told), told, tables)

    def _path(self, told: dict[str, Any]) -> Path:
        text = json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"


def shelf_in(folder: str | os.PathLike[str] | None) -> Shelf:
    """The shelf in a folder, which is made where it is missing; none without a folder."""
    if folder is None:
        return NoShelf()
    path = check_path(folder, name="folder", example="races/today")
    if path.exists() and not path.is_dir():
        raise InvalidParameter(f"folder = {str(folder)!r} is a file, expected a folder")
    path.mkdir(parents=True, exist_ok=True)
    return FolderShelf(path)


def described(task: Task, label: str) -> dict[str, Any]:
    """Everything that decides what a policy does in a unit, fit for JSON."""
    policy = task.policies[label]
    return {
        "format": _FORMAT,
        "kind": "piece",
        "label": label,
        "policy": {"id": policy.identifier(), "parameters": policy.parameters()},
        "environment": task.environment.spec(),
        "marks": task.marks.tolist(),
        "seed": int(task.seed),
        "unit": task.unit,
        "replications": task.replications,
        "schedule": task.schedule.parameters(),
        "keep_states": task.keep_states,
        "versions": {"qbrix": qbrix.__version__, "numpy": np.__version__},
        "code": _code((type(policy), type(task.environment))),
    }


def _piece(path: Path, told: dict[str, Any], *, task: Task, policy: AnyPolicy) -> Piece:
    header, tables = read_archive(path, remedy="delete it and run again")
    if header != told:
        raise InvalidParameter(f"{path} holds another piece than its name says; delete the file")
    dim = task.environment.dim if policy.capabilities.context else 0
    state: State | None = None
    if "state" in tables:
        kind = type(policy.init(n_arms=task.environment.n_arms, dim=dim))
        state = from_bytes(kind, tables["state"].tobytes())
    return Piece(trace=trace_from(tables), rounds=task.horizon, state=state)


def _code(kinds: Iterable[type]) -> str:
    """SHA-256 of the files in which the classes and their bases are written, and of our own."""
    content = hashlib.sha256(_own_code())
    modules = {base.__module__ for kind in kinds for base in kind.__mro__}
    for name in sorted(modules - {"builtins", "abc", "typing"}):
        if name.partition(".")[0] == "qbrix":
            continue
        source = getattr(sys.modules.get(name), "__file__", None)
        if source is None:
            raise InvalidParameter(
                f"a class in {name} has no file, so that a folder cannot tell its versions apart; "
                "write it to a file, in a notebook with %%policy my_policy.py"
            )
        content.update(Path(source).read_bytes())
    return content.hexdigest()


@cache
def _own_code() -> bytes:
    root = Path(__file__).parent.parent
    content = hashlib.sha256()
    for room in _PLAYING:
        for path in sorted((root / room).rglob("*.py")):
            content.update(path.read_bytes())
    return content.digest()
