"""From a policy in a notebook to a bundle that serving accepts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from qbrix.bundle.archive import pack
from qbrix.bundle.format import MANIFEST, POLICY, STATE, TRACE, Bundle
from qbrix.bundle.fresh import verify_fresh
from qbrix.bundle.manifest import (
    FORMAT,
    Library,
    Manifest,
    PolicyEntry,
    Promises,
    Provenance,
    TraceEntry,
    member_of,
)
from qbrix.bundle.recording import Plan, record
from qbrix.bundle.replay import Replay
from qbrix.bundle.signing import SigningKey
from qbrix.bundle.source import OwnSource, find_source, foreign_code
from qbrix.bundle.trace import Trace
from qbrix.bundle.verify import host_versions
from qbrix.checks import check_path
from qbrix.errors import InvalidParameter, ShapeError, StateMismatch
from qbrix.policies.base import Policy
from qbrix.state import State, copy_state, leading_shape, resolve_sizes, to_bytes

__all__ = ["export"]


def export(
    policy: Policy[Any, Any],
    *,
    path: str | os.PathLike[str],
    state: State | None = None,
    arms: Sequence[str] | int | None = None,
    features: Sequence[str] | None = None,
    dim: int | None = None,
    environment: Any = None,
    evidence: Any = None,
    seed: int = 0,
    key: SigningKey | str | os.PathLike[str] | None = None,
) -> Bundle:
    """Write a bundle: the policy's own source, its hyper-parameters, and a golden trace.

    The trace is recorded here, replayed here, and replayed again in a fresh interpreter that sees
    only the bundle. What does not come out the same is refused and no file is written.

    Parameters
    ----------
    policy : Policy
        Of an installed library, or of a file of your own (``%%policy my_policy.py``).
    path : path
        The file to write, e.g. ``"my_policy.qbrix"``.
    state : State, optional
        What was learned, without leading axes; by default the policy starts anew.
    arms : sequence of str, or int, optional
        Names of the arms by index, or their number; left out, the state or environment tells.
    features : sequence of str, optional
        Names of the features by position.
    dim : int, optional
        d; left out, the features, the state or the environment tell.
    environment : Environment, optional
        Deals the contexts and rewards of the golden trace; by default they are seeded noise.
    evidence : optional
        What speaks for the policy: a `SimulationResult`, or anything fit for JSON.
    seed : int >= 0, default 0
        Of the golden trace.
    key : SigningKey or path, optional
        Signs the bundle; serving accepts signed bundles only.

    Returns
    -------
    Bundle

    Raises
    ------
    BundleError
        ``main`` for a class in a plain notebook cell, ``source`` for a file that does not stand
        alone, ``trace`` for a policy that does not reproduce.
    StateMismatch
        For a state of another policy, or with leading axes.
    """
    if not isinstance(policy, Policy):
        raise InvalidParameter(f"policy = {policy!r}, expected an instance, e.g. BetaTSPolicy()")
    file = check_path(path, name="path", example="my_policy.qbrix")
    source = find_source(type(policy))
    names, n_arms = _arms(arms, state=state, environment=environment)
    dim = _dim(policy, dim, features=features, state=state, environment=environment)
    if state is not None:
        _check_state(policy, state, n_arms=n_arms, dim=dim)
    trace = _reproducible_trace(
        policy, state, n_arms=n_arms, dim=dim, seed=seed, environment=environment
    )
    members = _members(source, state, trace)
    manifest = Manifest(
        format=FORMAT,
        policy=_entry(policy, source),
        n_arms=n_arms,
        arms=names,
        dim=dim,
        features=None if features is None else tuple(features),
        members={name: member_of(content) for name, content in sorted(members.items())},
        trace=_trace_entry(trace, starts_from="init" if state is None else "state"),
        provenance=_provenance(source, seed=seed, environment=environment, evidence=evidence),
    )
    bundle = Bundle(pack({**members, MANIFEST: manifest.to_bytes()}))
    if key is not None:
        bundle = bundle.sign(key if isinstance(key, SigningKey) else SigningKey.load(key))
    verify_fresh(bundle)
    bundle.save(file)
    return bundle


def _members(source: Library | OwnSource, state: State | None, trace: Trace) -> dict[str, bytes]:
    members = {TRACE: trace.to_bytes()}
    if state is not None:
        members[STATE] = to_bytes(state)
    if isinstance(source, OwnSource):
        members[POLICY] = source.content
    return members


def _trace_entry(trace: Trace, *, starts_from: Literal["init", "state"]) -> TraceEntry:
    return TraceEntry(
        steps=len(trace),
        updates=trace.updates,
        rows=len(trace.learned),
        starts_from=starts_from,
        final_digest=trace.digests[-1],
    )


def _reproducible_trace(
    policy: Policy[Any, Any],
    state: State | None,
    *,
    n_arms: int,
    dim: int,
    seed: int,
    environment: Any,
) -> Trace:
    """A trace that this process can replay; hidden randomness and memory end here."""

    def started() -> State:
        initial: State = policy.init(n_arms=n_arms, dim=dim)
        return initial if state is None else copy_state(state)

    with foreign_code("trace", doing=f"{type(policy).__name__}, recording its golden trace,"):
        plan = Plan.make(
            policy, started(), n_arms=n_arms, dim=dim, seed=seed, environment=environment
        )
        trace = record(policy, started(), plan)
        Replay(policy, trace).run(started())
    return trace


def _arms(
    arms: Sequence[str] | int | None, *, state: State | None, environment: Any
) -> tuple[tuple[str, ...] | None, int]:
    if isinstance(arms, int):
        return None, arms
    if arms is not None:
        names = _names(arms)
        return names, len(names)
    if state is not None:
        return None, resolve_sizes(state)["K"]
    if environment is not None:
        return None, int(environment.n_arms)
    raise InvalidParameter("arms are missing: give their names or their number, or a state")


def _names(arms: object) -> tuple[str, ...]:
    listed = isinstance(arms, Sequence) and not isinstance(arms, str)
    if not listed or not all(isinstance(name, str) for name in cast(Sequence[object], arms)):
        raise InvalidParameter(f"arms = {arms!r}, expected a list of names or a number")
    return tuple(cast(Sequence[str], arms))


def _dim(
    policy: Policy[Any, Any],
    dim: int | None,
    *,
    features: Sequence[str] | None,
    state: State | None,
    environment: Any,
) -> int:
    owner = type(policy).__name__
    if not policy.capabilities.context:
        if dim or features:
            raise ShapeError(f"{owner} uses no context; leave dim and features out")
        return 0
    told = {
        "dim": dim,
        "features": None if features is None else len(features),
        "state": None if state is None else resolve_sizes(state).get("d"),
        "environment": None if environment is None else environment.dim,
    }
    known = {name: size for name, size in told.items() if size is not None}
    if not known:
        raise ShapeError(f"{owner} needs a context: give dim or the names of the features")
    if len(set(known.values())) > 1 or min(known.values()) < 1:
        raise ShapeError(f"the number of features is {known}, expected one number >= 1")
    return next(iter(known.values()))


def _check_state(policy: Policy[Any, Any], state: State, *, n_arms: int, dim: int) -> None:
    if type(state) is not policy.state_type:
        raise StateMismatch(
            f"state is a {type(state).__name__}, {type(policy).__name__} learns into a "
            f"{policy.state_type.__name__}; export the policy with a state of its own"
        )
    if leading_shape(state):
        raise StateMismatch(
            f"the state has leading axes {leading_shape(state)}, a bundle carries one state; "
            "pick one: qbrix.state.take(state, 0)"
        )
    sizes = resolve_sizes(state)
    if sizes.get("K", n_arms) != n_arms or sizes.get("d", dim) != dim:
        raise StateMismatch(
            f"the state is of {sizes}, the bundle of {n_arms} arms and {dim} features"
        )


def _entry(policy: Policy[Any, Any], source: Library | OwnSource) -> PolicyEntry:
    parameters = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in policy.parameters().items()
    }
    _check_json(parameters, name="hyper-parameters")
    return PolicyEntry(
        name=type(policy).__name__,
        version=policy.version,
        parameters=parameters,
        capabilities=Promises.of(policy.capabilities),
        library=source if isinstance(source, Library) else None,
    )


def _provenance(
    source: Library | OwnSource, *, seed: int, environment: Any, evidence: Any
) -> Provenance:
    host = host_versions()
    own = source if isinstance(source, OwnSource) else None
    summary = _summary(evidence)
    spec = None if environment is None else environment.spec()
    _check_json(summary, name="evidence")
    _check_json(spec, name="environment.spec()")
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


def _check_json(value: Any, *, name: str) -> None:
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
