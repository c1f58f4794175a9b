"""Laws of a policy's interface: values in, values out, nothing hidden."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from qbrix.checks import ParameterSpec
from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.state import array_specs, digest, from_bytes, leading_shape, resolve_sizes, to_bytes
from qbrix.testing.contract import expect, not_applicable, refusal
from qbrix.testing.subject import AnyPolicy, Subject, arrays_in, bits
from qbrix.types import Array

__all__ = [
    "check_arms_can_be_added",
    "check_contexts_are_decided_alike",
    "check_hyperparameters_are_guarded",
    "check_hyperparameters_round_trip",
    "check_init_matches_schema",
    "check_inputs_are_not_mutated",
    "check_nothing_is_hidden",
    "check_propensities_are_a_law",
    "check_recorded_numbers_are_declared",
    "check_single_arm",
    "check_state_survives_bytes",
]


def check_hyperparameters_round_trip(policy: AnyPolicy) -> None:
    """A policy equals the one that is made from its hyper-parameters, also through JSON."""
    names = [spec.name for spec in policy.parameter_specs()]
    expect(list(policy.parameters()) == names, f"parameters() lists {list(policy.parameters())}")
    again = type(policy)(**json.loads(json.dumps(policy.parameters())))
    expect(again == policy, f"{policy} comes back as {again}")


def check_hyperparameters_are_guarded(policy: AnyPolicy) -> None:
    """A hyper-parameter outside its declared range, or not a number, is refused by name."""
    for spec in policy.parameter_specs():
        for value in _outside(spec):
            with refusal(InvalidParameter, naming=spec.name, of=f"{spec.name}={value!r}"):
                type(policy)(**{**policy.parameters(), spec.name: value})


def check_init_matches_schema(policy: AnyPolicy) -> None:
    """`init` makes a finite state of the declared type and shapes, without leading axes."""
    subject = Subject(policy)
    state = subject.init()
    expect(type(state) is policy.state_type, f"init made a {type(state).__name__}")
    sizes = resolve_sizes(state)
    for letter, size in {"K": subject.n_arms, "d": subject.dim}.items():
        expect(sizes.get(letter, size) == size, f"{letter} = {sizes.get(letter)}, asked: {size}")
    expect("K" in sizes, "no field of the state has an axis K of arms")
    expect(leading_shape(state) == (), f"leading axes {leading_shape(state)}")
    for name, spec in array_specs(type(state)).items():
        value = getattr(state, name)
        expect(str(value.dtype) == spec.dtype, f"{name} has dtype {value.dtype}, not {spec.dtype}")
        expect(np.isfinite(value).all(), f"{name} is not finite")


def check_state_survives_bytes(policy: AnyPolicy) -> None:
    """A state read back from its bytes is the same state."""
    state = Subject(policy).learned("bytes")
    again = from_bytes(policy.state_type, to_bytes(state))
    expect(digest(again) == digest(state), "the digest differs")


def check_propensities_are_a_law(policy: AnyPolicy) -> None:
    """Propensities are not negative, sum to 1 and are 0 where an arm is masked.

    An arm that is told to be certain has all of them.
    """
    subject = Subject(policy)
    mask = np.ones(subject.n_arms, dtype=np.bool_)
    mask[[0, 2]] = False
    for state in (subject.init(), subject.learned("law", rows=2), subject.learned("law")):
        prepared = policy.prepare(state)
        context = subject.contexts(subject.rng("law", "context"))
        law = policy.propensities(prepared, context)
        _expect_law(law, shape=(subject.n_arms,))
        sure = policy.certain(prepared, context)
        expect(sure is None or law[sure] == 1.0, f"arm {sure} is certain, its law is {law}")
        masked = policy.propensities(prepared, context, mask=mask)
        _expect_law(masked, shape=(subject.n_arms,))
        expect((masked[~mask] == 0.0).all(), f"masked arms 0 and 2 have {masked}")


def check_contexts_are_decided_alike(policy: AnyPolicy) -> None:
    """A context gets the same propensities alone, in a batch, and with a state of its own."""
    subject = Subject(policy)
    if not subject.dim:
        states = subject.replicated(subject.learned("a"), subject.init(), subject.learned("b"))
        together = subject.law(states, None)
        alone = [subject.law(s, None) for s in (subject.learned("a"), subject.init())]
        _expect_close(together[:2], np.stack(alone), what="states together and alone")
        return
    contexts = subject.contexts(subject.rng("contexts"), 5)
    assert contexts is not None
    state = subject.learned("contexts")
    together = subject.law(state, contexts)
    _expect_law(together, shape=(5, subject.n_arms))
    alone = [subject.law(state, context) for context in contexts]
    _expect_close(together, np.stack(alone), what="contexts together and alone")
    paired = subject.law(subject.replicated(*[state] * 5), contexts)
    _expect_close(together, paired, what="one state for all contexts and one for each")


def check_single_arm(policy: AnyPolicy) -> None:
    """With one arm there is one decision, before and after learning."""
    subject = Subject(policy, n_arms=1)
    context = subject.contexts(subject.rng("one"))
    for state in (subject.init(), subject.learned("one")):
        prepared = policy.prepare(state)
        law = policy.propensities(prepared, context)
        expect(law.shape == (1,) and law[0] == 1.0, f"propensities are {law}")
        arm = policy.sample(prepared, context, rng=subject.rng("one", "sample"))
        expect(np.asarray(arm) == 0, f"sample chose {arm}")


def check_arms_can_be_added(policy: AnyPolicy) -> None:
    """A state with more arms keeps what it knows of the old ones, decides and goes on learning."""
    subject = Subject(policy)
    wider = Subject(policy, n_arms=subject.n_arms + 2)
    learned = subject.learned("grow")
    before = bits(learned)
    try:
        grown = policy.grow(learned, n_arms=wider.n_arms)
    except (StateMismatch, InvalidParameter) as error:
        not_applicable(f"it refuses more arms: {error}")
        return
    expect(bits(learned) == before, "growing wrote into the state")
    expect(resolve_sizes(grown).get("K") == wider.n_arms, "the axis K has another size")
    specs = array_specs(type(learned))
    for name, spec in specs.items():
        if "K" in spec.shape:
            old = getattr(learned, name)
            kept = getattr(grown, name)[tuple(slice(size) for size in old.shape)]
            expect((kept == old).all(), f"state.{name} of the old arms has changed")
    context = wider.contexts(wider.rng("grow", "context"))
    _expect_law(wider.law(grown, context), shape=(wider.n_arms,))
    after = policy.update(grown, wider.batch(wider.rng("grow", "more"), rows=20))
    _expect_law(wider.law(after, context), shape=(wider.n_arms,))


def check_inputs_are_not_mutated(policy: AnyPolicy) -> None:
    """No method writes into a state, a prepared state, a batch, a context or a mask."""
    subject = Subject(policy)
    rng = subject.rng("mutation")
    state, batch = subject.learned("mutation"), subject.batch(rng, rows=8)
    context, mask = subject.contexts(rng), np.ones(subject.n_arms, dtype=np.bool_)
    prepared = policy.prepare(state)
    inputs = (state, batch, context, mask, prepared)
    for item in arrays_in(inputs):
        item.flags.writeable = False
    before = bits(*inputs)
    arm = np.asarray(policy.sample(prepared, context, mask=mask, rng=rng))
    for use in (
        lambda: policy.propensities(prepared, context, mask=mask),
        lambda: policy.sample(prepared, context, rng=rng),
        lambda: policy.record(prepared, context, arm),
        lambda: policy.prepare(state),
        lambda: policy.update(state, batch),
    ):
        use()
    expect(bits(*inputs) == before, "an input changed")
    changed = policy.update(state, batch)
    shared = [a for a in arrays_in(changed) for b in arrays_in(state) if np.shares_memory(a, b)]
    expect(not shared, "the new state shares memory with the old one")


def check_nothing_is_hidden(policy: AnyPolicy) -> None:
    """Equal arguments give equal bits, whatever was asked before and of whichever object."""
    subject = Subject(policy)
    first = _history(subject, policy)
    policy.update(subject.learned("other"), subject.batch(subject.rng("other", "batch"), rows=5))
    policy.propensities(policy.prepare(subject.init()), subject.contexts(subject.rng("else")))
    expect(_history(subject, policy) == first, "the second time is not the first time")
    twin = type(policy)(**policy.parameters())
    expect(_history(subject, twin) == first, "an equal policy gives something else")


def check_recorded_numbers_are_declared(policy: AnyPolicy) -> None:
    """`record` returns as many numbers as the capabilities declare."""
    subject = Subject(policy)
    state, context = subject.learned("record"), subject.contexts(subject.rng("record"))
    noted = policy.record(policy.prepare(state), context, np.asarray(0))
    declared = policy.capabilities.recorded
    if declared:
        expect(noted is not None and np.shape(noted) == (declared,), f"record returned {noted}")
    else:
        expect(noted is None, f"record returned {noted}, but capabilities.recorded is 0")


def _history(subject: Subject, policy: AnyPolicy) -> bytes:
    """Bits of a state, its law and some samples."""
    rng = subject.rng("hidden")
    batch, contexts = subject.batch(rng, rows=12), subject.contexts(rng)
    state = policy.update(subject.init(), batch)
    prepared = policy.prepare(state)
    chosen = [policy.sample(prepared, contexts, rng=rng) for _ in range(20)]
    return bits(state, policy.propensities(prepared, contexts), np.asarray(chosen))


def _outside(spec: ParameterSpec) -> list[Any]:
    """Values that the declaration of a hyper-parameter excludes."""
    if spec.type not in (int, float):
        return []
    step = 1 if spec.type is int else 1e-6
    values: list[Any] = [math.nan, "1", None]
    for name, bound in spec.constraints.items():
        away = 0 if name in ("gt", "lt") else step
        values.append(spec.type(bound - away if name in ("gt", "gte") else bound + away))
    return values


def _expect_law(law: Array, *, shape: tuple[int, ...]) -> None:
    expect(getattr(law, "dtype", None) == np.float64, f"{law!r} is no float64 array")
    expect(law.shape == shape, f"propensities have shape {law.shape}, expected {shape}")
    expect((law >= 0.0).all(), f"a propensity is negative or not a number: {law}")
    error = float(np.abs(law.sum(-1) - 1.0).max())
    expect(error <= 1e-12, f"propensities miss the sum 1 by {error}: {law}")


def _expect_close(a: Array, b: Array, *, what: str) -> None:
    expect(a.shape == b.shape, f"{what}: shapes {a.shape} and {b.shape}")
    error = float(np.abs(a - b).max())
    expect(error <= 1e-10, f"{what} differ by {error}")
