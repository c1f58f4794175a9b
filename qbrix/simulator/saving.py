"""A finished race as one file, and back: arrays and a JSON header, no pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from qbrix.checks import check_path
from qbrix.environments import Environment, from_spec
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.policies import Policy, get
from qbrix.simulator.archive import read_archive, trace_from, trace_tables, write_archive
from qbrix.simulator.grid import GridResult
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.schedule import Schedule
from qbrix.state import State, from_bytes, to_bytes

__all__ = ["Absent", "load_result", "load_sweep"]

_FORMAT = 1

Tables = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for a policy or environment of a saved race whose class or data are not here.

    It tells what the original told, and does nothing else; ``n_arms`` and ``dim`` are those of an
    environment.
    """

    id: str
    told: Mapping[str, Any]
    shown: str
    n_arms: int = 0
    dim: int = 0

    def identifier(self) -> str:
        """Name and behaviour version."""
        return self.id

    def parameters(self) -> dict[str, Any]:
        """What told it from others of its class."""
        return dict(self.told)

    def spec(self) -> dict[str, Any]:
        """Identifier and parameters."""
        return {"id": self.id, "parameters": self.parameters()}

    def __repr__(self) -> str:
        return self.shown


def load_result(path: str | os.PathLike[str]) -> SimulationResult:
    """The race that `SimulationResult.save` wrote: equal tables, equal provenance.

    Policies and environments of the catalogues are made anew. In place of others, and of data that
    are too long to save, stands an `Absent`, which cannot play.

    Raises
    ------
    InvalidParameter
        For a file that is damaged, of another format, or holds something else.
    """
    header, tables = _opened(path, kind="race")
    return _restored(header["race"], tables, prefix="")


def load_sweep(path: str | os.PathLike[str]) -> GridResult:
    """The grid that `GridResult.save` wrote, as `load_result` does."""
    header, tables = _opened(path, kind="sweep")
    races = {
        (told["label"], told["seed"]): _restored(told["race"], tables, prefix=f"{i}.")
        for i, told in enumerate(header["races"])
    }
    return GridResult(races=races, interrupted=header["interrupted"])


def save_result(result: SimulationResult, path: str | os.PathLike[str]) -> None:
    """See `SimulationResult.save`."""
    told, tables = _taken_apart(result, prefix="")
    write_archive(_file(path), {"format": _FORMAT, "kind": "race", "race": told}, tables)


def save_sweep(grid: GridResult, path: str | os.PathLike[str]) -> None:
    """See `GridResult.save`."""
    races: list[dict[str, Any]] = []
    tables: Tables = {}
    for i, ((label, seed), race) in enumerate(grid.races.items()):
        told, found = _taken_apart(race, prefix=f"{i}.")
        races.append({"label": label, "seed": seed, "race": told})
        tables |= found
    header = {"format": _FORMAT, "kind": "sweep", "interrupted": grid.interrupted, "races": races}
    write_archive(_file(path), header, tables)


def _file(path: object) -> Path:
    file = check_path(path, name="path", example="race.npz")
    if file.is_dir():
        raise InvalidParameter(f"path = {str(file)!r} is a folder, expected a file in it")
    return file


def _opened(path: str | os.PathLike[str], *, kind: str) -> tuple[dict[str, Any], Tables]:
    header, tables = read_archive(
        _file(path), remedy="result.save writes such files, qbrix.load reads bundles"
    )
    found = (header.get("format"), header.get("kind"))
    if found != (_FORMAT, kind):
        raise InvalidParameter(
            f"{os.fspath(path)} holds a {found[1]} of format {found[0]}, expected a {kind} of "
            f"format {_FORMAT}; load_result reads races, load_sweep reads sweeps"
        )
    return header, tables


def _taken_apart(result: SimulationResult, *, prefix: str) -> tuple[dict[str, Any], Tables]:
    tables: Tables = {f"{prefix}checkpoints": result.checkpoints}
    for i, (label, trace) in enumerate(result.traces.items()):
        tables |= trace_tables(trace, prefix=f"{prefix}{i}.")
        if result.states is not None:
            state = np.frombuffer(to_bytes(result.states[label]), dtype=np.uint8)
            tables[f"{prefix}{i}.state"] = state
    told = {
        "policies": {
            label: {
                "id": policy.identifier(),
                "parameters": policy.parameters(),
                "shown": repr(policy),
            }
            for label, policy in result.policies.items()
        },
        "environment": {
            **result.environment.spec(),
            "shown": repr(result.environment),
            "sizes": [result.environment.n_arms, result.environment.dim],
        },
        "horizon": result.horizon,
        "replications": result.replications,
        "seed": result.seed if isinstance(result.seed, int) else list(result.seed),
        "schedule": result.schedule.parameters(),
        "interrupted": result.interrupted,
        "versions": dict(result.versions),
    }
    return told, tables


def _restored(told: Mapping[str, Any], tables: Tables, *, prefix: str) -> SimulationResult:
    policies = {label: _policy(spec) for label, spec in told["policies"].items()}
    seed = told["seed"]
    return SimulationResult(
        policies=policies,
        environment=_environment(told["environment"]),
        horizon=told["horizon"],
        replications=told["replications"],
        seed=seed if isinstance(seed, int) else tuple(seed),
        schedule=Schedule(**told["schedule"]),
        checkpoints=tables[f"{prefix}checkpoints"],
        traces={
            label: trace_from(tables, prefix=f"{prefix}{i}.") for i, label in enumerate(policies)
        },
        interrupted=told["interrupted"],
        states=_states(policies, told["environment"]["sizes"], tables, prefix=prefix),
        versions=told["versions"],
    )


def _states(
    policies: Mapping[str, Policy[Any, Any]],
    sizes: tuple[int, int],
    tables: Tables,
    *,
    prefix: str,
) -> dict[str, State] | None:
    """The final states, where they were kept and every class that reads them is here."""
    present = all(isinstance(policy, Policy) for policy in policies.values())
    if f"{prefix}0.state" not in tables or not present:
        return None
    n_arms, dim = sizes
    found = {}
    for i, (label, policy) in enumerate(policies.items()):
        kind = type(policy.init(n_arms=n_arms, dim=dim if policy.capabilities.context else 0))
        found[label] = from_bytes(kind, tables[f"{prefix}{i}.state"].tobytes())
    return found


def _policy(spec: Mapping[str, Any]) -> Policy[Any, Any]:
    try:
        return get(spec["id"])(**spec["parameters"])
    except (UnknownName, InvalidParameter, TypeError):
        return cast(Policy[Any, Any], Absent(spec["id"], spec["parameters"], spec["shown"]))


def _environment(spec: Mapping[str, Any]) -> Environment:
    try:
        return from_spec(spec)
    except (UnknownName, InvalidParameter):
        n_arms, dim = spec["sizes"]
        absent = Absent(spec["id"], spec["parameters"], spec["shown"], n_arms=n_arms, dim=dim)
        return cast(Environment, absent)
