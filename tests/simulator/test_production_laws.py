"""Conditions that come to the same thing, and every policy under all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qbrix.environments import (
    ArmsComeAndGo,
    Bernoulli,
    Delayed,
    Duplicated,
    Environment,
    LinearContextual,
    MissingFeedback,
)
from qbrix.policies import Policy, get, policies
from qbrix.simulator import Schedule, SimulationResult, simulate
from qbrix.state import arrays_of, digest
from qbrix.testing.subject import Subject
from qbrix.types import Array, BoolArray, Interactions
from tests.simulator.by_hand import ConstantPolicy
from tests.simulator.conditions import Coins

PLAIN = Bernoulli([0.2, 0.7, 0.4])
LINEAR = LinearContextual.random(n_arms=3, dim=2)
RACE: list[tuple[str, Environment]] = [
    ("beta_ts", PLAIN),
    ("epsilon", PLAIN),
    ("exp3", PLAIN),
    ("klucb", PLAIN),
    ("lin_ts", LINEAR),
]

each = pytest.mark.parametrize(("name", "environment"), RACE)


def slowly(name: str) -> Policy[Any, Any]:
    """The policy without its shortcuts, which need only be equal in law: it draws in one way."""
    quick = get(name)

    class SlowPolicy(quick):  # type: ignore[valid-type, misc]
        __slots__ = ()

        def propensities(
            self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
        ) -> Array:
            law: Array = quick.propensities(self, prepared, context, mask=mask)
            return law

    return SlowPolicy(**quick.example().parameters())


def raced(
    name: str, environment: Environment, schedule: Schedule | None = None, **options: Any
) -> SimulationResult:
    settings = {"horizon": 150, "replications": 6, "seed": 2, **options}
    return simulate(
        {"it": slowly(name)},
        environment,
        schedule=schedule,
        keep_states=True,
        progress=False,
        **settings,
    )


def assert_same(a: SimulationResult, b: SimulationResult) -> None:
    """Every choice and every final bit; sums of regret are added up in another order."""
    for name in ("reward", "best", "pulls"):
        assert np.array_equal(getattr(a.traces["it"], name), getattr(b.traces["it"], name)), name
    np.testing.assert_allclose(a.traces["it"].regret, b.traces["it"].regret, rtol=1e-12)
    assert digest(a.state("it", replication=3)) == digest(b.state("it", replication=3))


@each
@pytest.mark.parametrize("batch", [1, 7])
def test_a_fixed_delay_of_the_environment_is_that_of_the_schedule(
    name: str, environment: Environment, batch: int
) -> None:
    scheduled = raced(name, environment, Schedule(delay=20, batch=batch))
    dealt = raced(name, Delayed(environment, delay=20), Schedule(batch=batch))
    assert_same(scheduled, dealt)


@each
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda environment: MissingFeedback(environment, rate=0.0),
        lambda environment: Delayed(environment, delay=0),
        lambda environment: Duplicated(environment, rate=1.0, lag=0),
        lambda environment: Duplicated(Duplicated(environment, rate=0.6), rate=0.5, lag=9),
        ArmsComeAndGo,
    ],
    ids=["none missing", "no delay", "all twice", "some often", "nobody comes or goes"],
)
def test_what_changes_nothing_changes_no_bit(
    name: str, environment: Environment, wrapped: Callable[[Environment], Environment]
) -> None:
    assert_same(raced(name, environment), raced(name, wrapped(environment)))


@each
@pytest.mark.parametrize("schedule", [Schedule(replicas=3), Schedule(deduplicate=False)])
def test_replicas_that_always_look_are_one(
    name: str, environment: Environment, schedule: Schedule
) -> None:
    assert_same(raced(name, environment), raced(name, environment, schedule))


@each
def test_a_late_version_decides_like_one_from_late_feedback(
    name: str, environment: Environment
) -> None:
    """What differs is the final state: late feedback is not learned, a late version is made."""
    late = raced(name, environment, Schedule(staleness=20))
    waiting = raced(name, environment, Schedule(delay=20))
    assert np.array_equal(late.traces["it"].pulls, waiting.traces["it"].pulls)
    assert np.array_equal(late.traces["it"].best, waiting.traces["it"].best)


@each
def test_what_a_replica_holds_is_not_touched_by_learning_in_place(
    name: str, environment: Environment
) -> None:
    quick = get(name)

    class PurePolicy(quick):  # type: ignore[valid-type, misc]
        """Learns into new states."""

        __slots__ = ()

        def update(self, state: Any, batch: Interactions) -> Any:
            return quick.update(self, state, batch)

    schedule = Schedule(replicas=2, refresh=7)
    in_place, pure = (
        simulate(
            {"it": policy},
            environment,
            horizon=100,
            replications=5,
            schedule=schedule,
            keep_states=True,
            progress=False,
        )
        for policy in (quick.example(), PurePolicy(**quick.example().parameters()))
    )
    assert_same(in_place, pure)


def test_the_cut_into_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Delayed(
        Duplicated(MissingFeedback(PLAIN, rate=0.2), rate=0.5), delay=12, law="exponential"
    )
    schedule = Schedule(batch=3, staleness=2, replicas=2, refresh=8, deduplicate=False)
    whole = raced("exp3", environment, schedule)
    monkeypatch.setattr("qbrix.simulator.unit._BLOCK_ROUNDS", 7)
    assert_same(whole, raced("exp3", environment, schedule))


def test_missing_feedback_is_learned_by_nobody_and_counted_by_regret() -> None:
    """Of 900 rewards half are lost; 5 standard deviations: false alarm below 6e-7."""
    result = raced("random", MissingFeedback(PLAIN, rate=0.5))
    heard = raced("ucb1", MissingFeedback(PLAIN, rate=0.5))
    states: list[Any] = [heard.state("it", replication=r) for r in range(6)]
    pulls = sum(state.pulls.sum() for state in states)
    assert abs(pulls - 450) <= 5.0 * np.sqrt(900 * 0.25)
    assert result.traces["it"].pulls[-1].sum() == 900


def test_copies_count_twice_where_nobody_counts_them() -> None:
    """150 rounds, all of them twice; the copy of the last one comes after the end."""
    result = raced("ucb1", Duplicated(PLAIN, rate=1.0), Schedule(deduplicate=False))
    state: Any = result.state("it", replication=1)
    assert state.pulls.sum() == 2 * 150 - 1


def test_regret_is_counted_against_the_best_arm_that_is_there() -> None:
    """Arm 1 is there in rounds 11 … 20: choosing arm 0 loses 0.2 outside of them, 0.5 inside."""
    environment = ArmsComeAndGo(PLAIN, arrive={1: 10}, retire={1: 20})
    result = simulate(
        [ConstantPolicy()], environment, horizon=30, checkpoints=[10, 20, 30], progress=False
    )
    assert result.traces["Constant"].regret[0] == pytest.approx([2.0, 7.0, 9.0])


@pytest.mark.parametrize("policy", list(policies), ids=lambda policy: policy.__name__)
def test_every_policy_bears_all_conditions_at_once(policy: type[Policy[Any, Any]]) -> None:
    subject = Subject(policy.example())
    n_arms = subject.n_arms
    inner = Coins(subject) if subject.dim else Bernoulli([0.2, 0.7, 0.4, 0.5])
    environment = ArmsComeAndGo(
        Delayed(Duplicated(MissingFeedback(inner, rate=0.2), rate=0.3), delay=4, law="exponential"),
        arrive={n_arms - 1: 15},
        retire={0: 25},
    )
    schedule = Schedule(delay=1, batch=3, staleness=2, replicas=2, refresh=5, deduplicate=False)
    result = simulate(
        {"it": subject.policy},
        environment,
        horizon=50,
        replications=4,
        checkpoints=[15, 25, 50],
        schedule=schedule,
        keep_states=True,
        progress=False,
    )
    pulls = result.traces["it"].pulls
    assert pulls[0, n_arms - 1] == 0
    assert pulls[2, 0] == pulls[1, 0]
    assert pulls[-1].sum() == 200
    assert all(np.isfinite(value).all() for _, value in arrays_of(result.state("it")))
