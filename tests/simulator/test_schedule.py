"""Delay and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, Classification
from qbrix.errors import InvalidParameter
from qbrix.policies import get
from qbrix.simulator import Schedule, simulate
from tests.simulator.by_hand import ConstantPolicy


def final_state(schedule: Schedule | None, **options: Any) -> Any:
    result = simulate(
        ConstantPolicy(),
        Bernoulli([1.0]),
        replications=3,
        schedule=schedule,
        keep_states=True,
        progress=False,
        **options,
    )
    return result.state("Constant")


@pytest.mark.parametrize(
    ("delay", "batch", "due"),
    [
        (0, 1, [1, 2, 3, 4, 5, 6, 7]),
        (2, 1, [0, 0, 1, 2, 3, 4, 5]),
        (0, 3, [0, 0, 3, 3, 3, 6, 6]),
        (2, 3, [0, 0, 1, 1, 1, 4, 4]),
        (9, 1, [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_what_is_learned_after_each_round(delay: int, batch: int, due: list[int]) -> None:
    schedule = Schedule(delay=delay, batch=batch)
    assert [schedule.due(rounds) for rounds in range(1, 8)] == due


def test_delay_3_and_batches_of_2_leave_7_of_10_rounds_learned_in_4_batches() -> None:
    """After rounds 4, 6, 8, 10 the first 1, 3, 5, 7 are learned; round 7 met version 2."""
    state = final_state(Schedule(delay=3, batch=2), horizon=10)
    assert state.reward.tolist() == [7.0]
    assert state.batches == 4.0
    assert state.newest_version == 2.0


def test_without_delay_and_batches_every_round_is_a_version() -> None:
    for schedule in (None, Schedule()):
        state = final_state(schedule, horizon=10)
        assert state.reward.tolist() == [10.0]
        assert state.newest_version == 9.0


def test_who_never_hears_anything_stays_as_ignorant_as_at_first() -> None:
    """4 × 10,000 uniform choices, 5 standard deviations: false alarm below 3e-6."""
    result = simulate(
        get("beta_ts")(),
        Bernoulli([0.1, 0.3, 0.5, 0.9]),
        horizon=1000,
        replications=40,
        schedule=Schedule(delay=1000),
        progress=False,
    )
    shares = result.traces["BetaTS"].pulls[-1] / 40_000
    assert (np.abs(shares - 0.25) <= 5.0 * np.sqrt(0.25 * 0.75 / 40_000)).all()


@pytest.mark.parametrize("batch", [4, 30])
def test_batches_carry_every_context_to_the_arm_that_was_chosen_for_it(batch: int) -> None:
    rows = np.random.default_rng(1).normal(size=(60, 2))
    environment = Classification(rows, (rows[:, 0] > 0.0).astype(int))
    result = simulate(
        get("lin_ts")(),
        environment,
        replications=3,
        schedule=Schedule(batch=batch),
        keep_states=True,
        progress=False,
    )
    state: Any = result.state("LinTS", replication=2)
    total = environment.features.T @ environment.features
    upper = total[np.triu_indices(3)]
    np.testing.assert_allclose(state.precision.sum(0), upper, rtol=1e-9)
    assert state.pulls.sum() == 60.0
    assert state.moment[:, 2].sum() == result.traces["LinTS"].reward[2, -1]


def test_delay_costs_regret_but_adds_at_most_the_delay_for_two_arms() -> None:
    """Joulani, György and Szepesvári (2013), Theorem 6: at most Δ × delay more per wrong arm.

    The bound is on the expectation; 3 is added for the noise of 200 replications, more than
    10 standard errors of either mean.
    """
    at_once, late = (
        simulate(
            get("beta_ts")(),
            Bernoulli([0.9, 0.1]),
            horizon=1000,
            replications=200,
            schedule=Schedule(delay=delay),
            progress=False,
        )
        .traces["BetaTS"]
        .regret[:, -1]
        .mean()
        for delay in (0, 50)
    )
    assert at_once < late <= at_once + 0.8 * 50 + 3.0


@pytest.mark.parametrize(
    "arguments", [{"delay": -1}, {"batch": 0}, {"delay": 1.5}, {"batch": True}]
)
def test_what_is_no_schedule_is_refused_by_name(arguments: Any) -> None:
    (name,) = arguments
    with pytest.raises(InvalidParameter, match=rf"Schedule.{name} = "):
        Schedule(**arguments)
