"""From a policy in a notebook to a bundle that serving accepts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

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
    TraceEntry,
    member_of,
)
from qbrix.bundle.provenance import check_json, provenance_of
from qbrix.bundle.recording import Plan, record
from qbrix.bundle.replay import Replay
from qbrix.bundle.signing import SigningKey
from qbrix.bundle.sizes import Sizes
from qbrix.bundle.source import OwnSource, find_source, foreign_code
from qbrix.bundle.trace import Trace
from qbrix.checks import check_path
from qbrix.errors import InvalidParameter
from qbrix.policies.base import Policy
from qbrix.state import State, copy_state, to_bytes

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
    sizes = Sizes.found(
        policy, state=state, environment=environment, arms=arms, features=features, dim=dim
    )
    trace = _reproducible_trace(policy, state, sizes=sizes, seed=seed, environment=environment)
    members = _members(source, state, trace)
    manifest = Manifest(
        format=FORMAT,
        policy=_entry(policy, source),
        n_arms=sizes.n_arms,
        arms=sizes.arms,
        dim=sizes.dim,
        features=sizes.features,
        members={name: member_of(content) for name, content in sorted(members.items())},
        trace=_trace_entry(trace, starts_from="init" if state is None else "state"),
        provenance=provenance_of(source, seed=seed, environment=environment, evidence=evidence),
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
    sizes: Sizes,
    seed: int,
    environment: Any,
) -> Trace:
    """A trace that this process can replay; hidden randomness and memory end here."""

    def started() -> State:
        initial: State = policy.init(n_arms=sizes.n_arms, dim=sizes.dim)
        return initial if state is None else copy_state(state)

    with foreign_code("trace", doing=f"{type(policy).__name__}, recording its golden trace,"):
        plan = Plan.make(
            policy,
            started(),
            n_arms=sizes.n_arms,
            dim=sizes.dim,
            seed=seed,
            environment=environment,
        )
        trace = record(policy, started(), plan)
        Replay(policy, trace).run(started())
    return trace


def _entry(policy: Policy[Any, Any], source: Library | OwnSource) -> PolicyEntry:
    parameters = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in policy.parameters().items()
    }
    check_json(parameters, name="hyper-parameters")
    return PolicyEntry(
        name=type(policy).__name__,
        version=policy.version,
        parameters=parameters,
        capabilities=Promises.of(policy.capabilities),
        library=source if isinstance(source, Library) else None,
    )
