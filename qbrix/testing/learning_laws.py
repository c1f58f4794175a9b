"""Laws of learning: what `update` makes of a log, however the log is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qbrix.errors import InvalidParameter, ShapeError, SupportError
from qbrix.policies import Policy
from qbrix.state import State, arrays_of, copy_state, digest, stack, take
from qbrix.support import supported
from qbrix.testing.contract import expect, not_applicable, refusal
from qbrix.testing.subject import AnyPolicy, Subject, bits, concatenated, rows
from qbrix.types import Array, IntArray, Interactions

__all__ = [
    "check_advance_follows_prepare",
    "check_bad_batches_are_refused",
    "check_in_place_is_update",
    "check_late_feedback_is_learned",
    "check_leading_axis_is_single_runs",
    "check_million_updates_stay_finite",
    "check_order_does_not_matter",
    "check_play_is_rounds_in_turn",
    "check_update_twice_is_update_once",
]


def check_update_twice_is_update_once(policy: AnyPolicy) -> None:
    """Two batches in turn teach what their rows teach as one batch, to 1e-12 relative.

    Equal batches give equal bits.
    """
    subject = Subject(policy)
    rng = subject.rng("twice")
    first, second = subject.batch(rng, rows=25), subject.batch(rng, rows=17)
    in_turn = policy.update(policy.update(subject.init(), first), second)
    at_once = policy.update(subject.init(), concatenated(first, second))
    _expect_same(in_turn, at_once, what="two batches and one")
    again = policy.update(policy.update(subject.init(), first), second)
    expect(digest(again) == digest(in_turn), "equal batches give different bits")


def check_order_does_not_matter(policy: AnyPolicy) -> None:
    """An order-free policy learns the same from shuffled rows and from merged states (1e-12)."""
    if not policy.capabilities.order_free:
        not_applicable("the policy declares that order matters")
    subject = Subject(policy)
    rng = subject.rng("order")
    first, second = subject.batch(rng, rows=25), subject.batch(rng, rows=17)
    both = concatenated(first, second)
    learned = policy.update(subject.init(), both)
    shuffled = policy.update(subject.init(), rows(both, rng.permutation(42)))
    _expect_same(shuffled, learned, what="rows in order and shuffled")
    parts = (policy.update(subject.init(), first), policy.update(subject.init(), second))
    _expect_same(policy.merge(*parts), learned, what="merged states and one history")


def check_leading_axis_is_single_runs(policy: AnyPolicy) -> None:
    """R states with a leading axis learn to the bit what R single states learn.

    Rows of arm −1 are padding and teach nothing.
    """
    subject = Subject(policy)
    batch = subject.batch(subject.rng("leading"), 3, rows=6)
    lengths = (6, 0, 4)
    for row, length in enumerate(lengths):
        batch.arms[row, length:] = -1
    singles = [subject.init(), subject.learned("x", rows=7), subject.learned("y", rows=30)]
    together = policy.update(stack(singles), batch)
    for row, length in enumerate(lengths):
        own = _row(batch, row)
        alone = policy.update(singles[row], rows(own, slice(0, length)))
        same = digest(take(together, row)) == digest(alone)
        expect(same, f"replication {row} with {length} rows differs from its single run")


def check_in_place_is_update(policy: AnyPolicy) -> None:
    """`update_in_place` writes the bits that `update` returns."""
    if type(policy).update_in_place is Policy.update_in_place:
        not_applicable("the policy defines no in-place form")
    subject = Subject(policy)
    state = subject.replicated(subject.init(), subject.learned("in place"))
    for n_rows in (1, 5, 0):
        batch = subject.batch(subject.rng("in place", str(n_rows)), 2, rows=n_rows)
        owned = copy_state(state)
        policy.update_in_place(owned, batch)
        same = digest(owned) == digest(policy.update(state, batch))
        expect(same, f"they differ for a batch of {n_rows} rows")


def check_advance_follows_prepare(policy: AnyPolicy) -> None:
    """`advance` decides like `prepare` of the new state, to 1e-10."""
    subject = Subject(policy)
    rng = subject.rng("advance")
    state = subject.replicated(*[subject.init()] * 3)
    prepared = policy.prepare(state)
    for step in range(24):
        batch = subject.batch(rng, 3, rows=(1, 1, 1, 3)[step % 4])
        batch.arms[step % 3, 0] = -1 if step % 5 == 0 else batch.arms[step % 3, 0]
        state = policy.update(state, batch)
        prepared = policy.advance(prepared, state, batch)
        contexts = subject.contexts(rng, 3)
        error = np.abs(policy.propensities(prepared, contexts) - subject.law(state, contexts)).max()
        expect(error <= 1e-10, f"after {step + 1} updates the propensities differ by {error}")


def check_play_is_rounds_in_turn(policy: AnyPolicy) -> None:
    """`play` chooses as `propensities` say, given all that came before, and learns as `update`.

    Each choice is held against the law of that round; a faithful policy is accused with a
    probability of at most 1e-6 (Freedman's inequality). An arm of propensity 0 is never chosen, so
    a policy without chance must choose the same arm. Equal generators play equally.
    """
    if type(policy).play is Policy.play:
        not_applicable("the policy is played round by round")
    for learned, size in ((0, 60), (12, 40), (400, 40)):
        _expect_play_follows_the_laws(policy, learned=learned, size=size)


def _expect_play_follows_the_laws(policy: AnyPolicy, *, learned: int, size: int) -> None:
    subject, runs = Subject(policy), 300
    names = ("play", str(learned))
    state = subject.replicated(*[subject.learned(*names, rows=learned)] * runs)
    rewards = subject.rewards(subject.rng(*names, "rewards"), size, runs, subject.n_arms)
    contexts = subject.contexts(subject.rng(*names, "contexts"), size, runs)

    def play() -> tuple[IntArray, State, Any]:
        own = copy_state(state)
        rng = subject.rng(*names, "chance")
        arms, prepared = policy.play(policy.prepare(own), own, rewards, contexts=contexts, rng=rng)
        return arms, own, prepared

    (again, same, _), (arms, played, prepared) = play(), play()
    expect(bits(again, same) == bits(arms, played), "equal generators play unequally")
    surplus, variance = np.zeros(subject.n_arms), np.zeros(subject.n_arms)
    for t, (paid, chosen) in enumerate(zip(rewards, arms, strict=True)):
        context = None if contexts is None else contexts[t]
        law = policy.propensities(policy.prepare(state), context)
        drawn = np.take_along_axis(law, chosen[:, None], axis=1)
        expect((drawn > 0.0).all(), f"round {t}: an arm of propensity 0 was chosen")
        surplus += (np.arange(subject.n_arms) == chosen[:, None]).sum(0) - law.sum(0)
        variance += (law * (1.0 - law)).sum(0)
        state = policy.update(state, _round(chosen, paid, drawn, context))
    _expect_same(played, state, what="the state after play and after updates in turn")
    limit = _freedman(variance, alarm=1e-7)
    expect((np.abs(surplus) <= limit).all(), f"arms were chosen {surplus} times more than due")
    context = subject.contexts(subject.rng(*names, "after"), runs)
    law = policy.propensities(policy.prepare(state), context)
    error = np.abs(policy.propensities(prepared, context) - law).max()
    expect(error <= 1e-9, f"what play leaves prepared decides otherwise, by {error}")


def _round(arms: IntArray, paid: Array, propensities: Array, context: Array | None) -> Interactions:
    """One decision of every replication."""
    return Interactions(
        arms=arms[:, None],
        rewards=np.take_along_axis(paid, arms[:, None], axis=1),
        propensities=propensities,
        state_versions=np.zeros((len(arms), 1), dtype=np.int64),
        contexts=None if context is None else context[:, None],
    )


def _freedman(variance: Array, *, alarm: float) -> Array:
    """What a martingale with steps of at most 1 exceeds with probability ``alarm`` at most."""
    rate = np.log(2.0 * variance.size / alarm)
    limit: Array = rate / 3.0 + np.sqrt(rate * rate / 9.0 + 2.0 * rate * variance)
    return limit


def check_late_feedback_is_learned(policy: AnyPolicy) -> None:
    """An update may concern decisions of many versions ago, in any order."""
    subject = Subject(policy)
    rng = subject.rng("late")
    state = subject.init()
    for _ in range(20):
        state = policy.update(state, subject.batch(rng, rows=3))
    batch = subject.batch(rng, rows=40)
    late = replace(batch, state_versions=rng.integers(0, 20, 40))
    state = policy.update(state, late)
    law = subject.law(state, subject.contexts(rng))
    expect(np.isfinite(law).all() and abs(law.sum() - 1.0) <= 1e-12, f"propensities are {law}")


def check_bad_batches_are_refused(policy: AnyPolicy) -> None:
    """A reward that is no number or not supported, and a wrong shape, are refused by name."""
    subject = Subject(policy)
    state, batch = subject.learned("bad"), subject.batch(subject.rng("bad"), rows=5)
    before = digest(state)
    for changed, error, naming, of in _bad(subject, batch):
        with refusal(error, naming=naming, of=of):
            policy.update(state, replace(batch, **changed))
    expect(digest(state) == before, "a refused batch changed the state")
    if subject.dim:
        for context in (np.ones(subject.dim + 1), None):
            with refusal(ShapeError, naming="context", of="a context of the wrong width"):
                subject.law(state, context)


def check_million_updates_stay_finite(policy: AnyPolicy) -> None:
    """After a million interactions the state is finite and the propensities are a law.

    Where states do not merge it is 5,000 of the worst: one arm, one reward, small propensities.
    """
    subject = Subject(policy)
    rng = subject.rng("million")
    state = subject.learned("million", rows=1000)
    if policy.capabilities.order_free:
        for _ in range(10):
            state = policy.merge(state, state)
    else:
        worst = _one_sided(subject, rows=1000)
        for _ in range(5):
            state = policy.update(state, worst)
    state = policy.update(state, subject.batch(rng, rows=3))
    finite = all(np.isfinite(value).all() for _, value in arrays_of(state))
    expect(finite, "the state holds a number that is not finite")
    law = subject.law(state, subject.contexts(rng))
    expect(np.isfinite(law).all() and abs(law.sum() - 1.0) <= 1e-12, f"propensities are {law}")


def _one_sided(subject: Subject, *, rows: int) -> Interactions:
    """A log of one arm that always paid 1 although it was hardly ever chosen."""
    batch = subject.batch(subject.rng("one-sided"), rows=rows)
    return replace(
        batch,
        arms=np.zeros_like(batch.arms),
        rewards=np.ones_like(batch.rewards),
        propensities=np.full_like(batch.propensities, 0.01),
    )


def _bad(
    subject: Subject, batch: Interactions
) -> list[tuple[dict[str, Any], type[Exception], str, str]]:
    """Changes to a batch of 5 rows, the error each must raise, what it names, what it is."""
    support = subject.policy.capabilities.reward
    unsupported = [value for value in (0.5, 1.5, -0.1) if not supported(np.array(value), support)]
    arms, wide = batch.arms, np.ones((5, subject.dim + 1))
    cases: list[tuple[dict[str, Any], type[Exception], str, str]] = [
        ({"rewards": np.where(np.arange(5) == 2, value, batch.rewards)}, SupportError, "reward", of)
        for value, of in [
            (np.nan, "a reward NaN"),
            (np.inf, "an infinite reward"),
            *[(value, f"a {support} reward {value}") for value in unsupported],
        ]
    ]
    cases += [
        ({"rewards": batch.rewards[:4]}, ShapeError, "rewards", "a reward too few"),
        ({"propensities": np.zeros(5)}, InvalidParameter, "propensities", "a propensity 0"),
        (
            {"propensities": np.full(5, np.nan)},
            InvalidParameter,
            "propensities",
            "a NaN propensity",
        ),
        ({"arms": arms + subject.n_arms}, InvalidParameter, "arms", "an arm K"),
        ({"arms": arms.astype(np.float64)}, ShapeError, "arms", "arms of type float"),
        (_lifted(batch), ShapeError, "arms", "a batch with leading axes for a state without"),
    ]
    if subject.dim:
        cases += [
            ({"contexts": wide}, ShapeError, "context", "a context too wide"),
            ({"contexts": None}, ShapeError, "context", "a batch without contexts"),
            ({"contexts": wide[:, 1:] * np.nan}, InvalidParameter, "context", "a NaN context"),
        ]
    return cases


def _lifted(batch: Interactions) -> dict[str, Any]:
    """The fields of a batch with a leading axis of length 1."""
    names = ("arms", "rewards", "propensities", "state_versions", "contexts", "recorded")
    values = {name: getattr(batch, name) for name in names}
    return {name: None if value is None else value[None] for name, value in values.items()}


def _row(batch: Interactions, row: int) -> Interactions:
    """One replication of a batch with a leading axis."""
    return Interactions(
        arms=batch.arms[row],
        rewards=batch.rewards[row],
        propensities=batch.propensities[row],
        state_versions=batch.state_versions[row],
        contexts=None if batch.contexts is None else batch.contexts[row],
        recorded=None if batch.recorded is None else batch.recorded[row],
    )


def _expect_same(a: State, b: State, *, what: str) -> None:
    """Every field equal to 1e-12 of its largest entry."""
    for (name, left), (_, right) in zip(arrays_of(a), arrays_of(b), strict=True):
        expect(left.shape == right.shape, f"{what}: {name} has shapes {left.shape}, {right.shape}")
        x, y = left.astype(np.float64), right.astype(np.float64)
        scale = max(1.0, float(np.abs(y).max(initial=0.0)))
        error = float(np.abs(x - y).max(initial=0.0)) / scale
        expect(error <= 1e-12, f"{what}: {name} differs by {error} relative")
