"""The golden trace: what it covers, how it is written, and what its replay forgives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pytest

from qbrix.bundle import Bundle
from qbrix.bundle.recording import Plan, record
from qbrix.bundle.replay import Replay
from qbrix.bundle.ties import is_near_tie
from qbrix.bundle.trace import Trace
from qbrix.checks import param
from qbrix.errors import BundleError
from qbrix.policies import Capabilities, Policy, policies
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.state import State, array, copy_state
from qbrix.testing.subject import Subject
from qbrix.types import Array, BoolArray, Interactions

AnyPolicy: TypeAlias = Policy[Any, Any]


def recorded(policy: AnyPolicy, *, n_arms: int = 3, dim: int = 0) -> Trace:
    """The golden trace of a policy that starts anew."""
    start = policy.init(n_arms=n_arms, dim=dim)
    return record(policy, start, Plan.make(policy, start, n_arms=n_arms, dim=dim, seed=0))


def replayed(policy: AnyPolicy, trace: Trace) -> Replay:
    """A replay of ``trace`` from the policy's initial state."""
    replay = Replay(policy, trace)
    replay.run(policy.init(n_arms=trace.laws.shape[1], dim=trace.contexts.shape[1]))
    return replay


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Of LinUCB, three arms and two features."""
    return recorded(LinUCBPolicy(), dim=2)


def test_a_trace_covers_what_serving_does(trace: Trace) -> None:
    sizes = np.diff(trace.ends, prepend=0)
    rows = trace.learned
    lateness = np.repeat(np.arange(trace.updates), sizes) - trace.versions[rows]
    newest = np.maximum.accumulate(trace.versions)
    assert len(trace) == 256
    assert set(range(1, 10)) <= set(sizes)
    assert max(lateness) >= 7
    assert (newest - trace.versions).max() == 2
    assert len(set(rows)) == len(rows)
    assert set(trace.masked) == {-1, 0, 1, 2}
    assert set(trace.arms) == {0, 1, 2}
    assert not (trace.arms == trace.masked).any()
    assert trace.versions[-1] == trace.updates


@pytest.mark.parametrize(
    ("support", "belongs"),
    [
        ("binary", lambda r: ((r == 0) | (r == 1)).all()),
        ("bounded", lambda r: ((r >= 0) & (r <= 1)).all() and len(np.unique(r)) > 20),
        ("continuous", lambda r: r.min() < 0 and r.max() > 1),
    ],
)
def test_rewards_fit_the_declared_support(support: str, belongs: Callable[[Array], bool]) -> None:
    class Fake(BetaTSPolicy):
        capabilities = Capabilities(reward=support)  # type: ignore[arg-type]

    start = BetaTSPolicy().init(n_arms=2)
    plan = Plan.make(Fake(), start, n_arms=2, dim=0, seed=0)
    assert belongs(plan.rewards)


def test_large_states_are_updated_less_often() -> None:
    policy = LinUCBPolicy()
    start = policy.init(n_arms=4, dim=1024)  # 4 × 1024 × 1025 / 2 × 8 bytes and a little
    plan = Plan.make(policy, start, n_arms=4, dim=1024, seed=0)
    assert len(plan.groups) == 5
    assert sum(plan.groups) == 256


def test_a_trace_written_and_read_is_the_same(trace: Trace) -> None:
    again = Trace.from_bytes(trace.to_bytes())
    assert again.to_bytes() == trace.to_bytes()
    assert again.digests == trace.digests


def test_the_form_begins_with_its_version(trace: Trace) -> None:
    assert trace.to_bytes().startswith(b"QBTR\x01")


def test_no_damaged_trace_raises_anything_but_a_bundle_error(trace: Trace) -> None:
    data, rng = trace.to_bytes(), np.random.default_rng(3)
    header = 5 + 4 + 1200
    for _ in range(400):
        broken = bytearray(data)
        broken[rng.integers(header)] = rng.integers(256)
        try:
            Trace.from_bytes(bytes(broken))
        except BundleError as error:
            assert error.reason == "format"  # noqa: PT017
    for size in rng.integers(len(data), size=50):
        with pytest.raises(BundleError):
            Trace.from_bytes(data[:size])


@pytest.mark.parametrize(
    ("column", "value"),
    [("arms", 3), ("versions", 99), ("masked", -2), ("learned", 256), ("ends", 0), ("u", 1.0)],
)
def test_an_index_outside_its_range_is_refused(trace: Trace, column: str, value: float) -> None:
    values = getattr(trace, column).copy()
    values[5] = value
    with pytest.raises(BundleError, match="outside its range"):
        Trace.from_bytes(replace(trace, **{column: values}).to_bytes())


def test_a_trace_replays_without_error(trace: Trace) -> None:
    replay = replayed(LinUCBPolicy(), trace)
    assert (replay.max_propensity_error, replay.near_ties) == (0.0, 0)


@pytest.mark.parametrize("policy_class", list(policies), ids=lambda item: item.__name__)
def test_every_catalogue_policy_replays_its_golden_trace(policy_class: type[AnyPolicy]) -> None:
    policy = policy_class.example()
    trace = recorded(policy, dim=Subject(policy, n_arms=3).dim)
    replay = replayed(policy, Trace.from_bytes(trace.to_bytes()))
    assert (replay.max_propensity_error, replay.near_ties) == (0.0, 0)


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ("rewards", "digest"),
        ("u", "the draw gives"),
        ("low", "the draw gives"),
        ("laws", "sum to 1"),
    ],
)
def test_a_changed_number_does_not_replay(column: str, named: str) -> None:
    trace = recorded(BetaTSPolicy())
    values = getattr(trace, column).copy()
    step = int(trace.learned[3])
    values[step] = (values[step] + 0.5) % 1.0
    with pytest.raises(BundleError, match=named) as refused:
        replayed(BetaTSPolicy(), replace(trace, **{column: values}))
    assert refused.value.reason == "trace"


def test_another_behaviour_does_not_replay(trace: Trace) -> None:
    with pytest.raises(BundleError, match="the propensities are off by"):
        replayed(LinUCBPolicy(alpha=0.1), trace)


def moved_laws(trace: Trace, by: float) -> Trace:
    """The trace with probability ``by`` moved from its first arm to its second in every law."""
    laws = trace.laws.copy()
    both = (laws[:, :2] > 0.1).all(-1)
    laws[both] += [-by, by, 0.0]
    return replace(trace, laws=laws)


@pytest.mark.parametrize(("by", "passes"), [(1e-11, True), (1e-9, False), (1e-5, False)])
def test_propensities_are_held_to_1e_10(by: float, passes: bool) -> None:
    moved = moved_laws(recorded(BetaTSPolicy()), by)
    redrawn = with_draws_of_laws(moved)
    if passes:
        error = replayed(BetaTSPolicy(), redrawn).max_propensity_error
        assert error == pytest.approx(by, rel=1e-3)
    else:
        with pytest.raises(BundleError, match="the propensities are off by"):
            replayed(BetaTSPolicy(), redrawn)


def with_draws_of_laws(trace: Trace) -> Trace:
    """The trace with the draws that its laws give (the arms stay as they are)."""
    from qbrix.draw import draw, edges

    drawn = [draw(edges(law), float(u)) for law, u in zip(trace.laws, trace.u, strict=True)]
    assert [item.arm for item in drawn] == trace.arms.tolist()
    low = np.array([item.low for item in drawn])
    return replace(trace, low=low, propensities=np.array([item.propensity for item in drawn]))


def test_the_replay_leaves_the_starting_state_alone(shares: Bundle) -> None:
    policy = shares.policy()
    start = policy.init(n_arms=3)
    kept = copy_state(start)
    Replay(policy, shares.trace()).run(start)
    np.testing.assert_array_equal(start.paid, kept.paid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores(State):
    """Scores that are given, not learned."""

    score: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class Best(Policy[Scores, Scores]):
    """All on the best score; scores closer than ``tie`` share."""

    tie: float = param(1e-9, gte=0, doc="scores this close share")

    state_type = Scores
    capabilities = Capabilities(propensity="one-hot")

    def propensities(
        self, prepared: Scores, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Even over the best."""
        best = prepared.score >= prepared.score.max(-1, keepdims=True) - self.tie
        law: Array = best / best.sum(-1, keepdims=True)
        return law

    def update_in_place(self, state: Scores, batch: Interactions) -> None:
        """Nothing is learned."""


@pytest.mark.parametrize(
    ("scores", "law", "excused"),
    [
        # The gap is the tie's width: one rounding error decides between one arm and two.
        ((1.0, 1.0 - 1e-9), (1.0, 0.0), True),
        ((1.0, 1.0 - 1e-9), (0.5, 0.5), True),
        # Two arms whose order a relative 1e-8 can turn, and one that is far.
        ((1.0, 1.0 - 5e-9), (0.0, 1.0), True),
        ((1.0, 1.0 - 1e-7), (0.0, 1.0), False),
        ((1.0, 0.9), (0.5, 0.5), False),
        ((1.0, 1.0), (0.2, 0.8), False),
    ],
)
def test_a_jump_is_excused_within_a_margin_of_1e_8_only(
    scores: tuple[float, float], law: tuple[float, float], excused: bool
) -> None:
    def accepts(other: Array) -> bool:
        return bool(np.abs(other - law).max() <= 1e-10)

    state = Scores(score=np.array(scores))
    assert is_near_tie(Best(), state, context=None, mask=None, accepts=accepts) == excused
