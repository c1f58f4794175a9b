"""The conditions of production, followed on paper: who decides with what, and what is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.simulator import Schedule
from qbrix.simulator._inbox import AsItArrives
from qbrix.simulator.player import check_pairing
from tests.simulator.by_hand import ConstantPolicy, TwoArmedPolicy
from tests.simulator.conditions import Table, watched

# Rounds until the feedback of rounds 1 … 5 arrives, in two replications; −1 for never.
RAGGED = [[[0], [1]], [[2], [0]], [[0], [0]], [[-1], [0]], [[0], [0]]]


def test_a_version_decides_when_it_is_published() -> None:
    """Made after rounds 2, 4, 6, 8, 10 and published 3 rounds later: first used in 6, 8, 10."""
    schedule = Schedule(batch=2, staleness=3)
    arms, batches, player = watched(Table(), schedule=schedule, rounds=10)
    assert arms[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2, 3]
    assert [batch.rewards[0].tolist() for batch in batches] == [[1, 2], [3, 4], [5, 6]]
    assert [batch.state_versions[0].tolist() for batch in batches] == [[0, 0], [0, 0], [0, 1]]
    assert player.state.batches == 5.0


def test_replicas_keep_what_they_took_at_their_own_moments() -> None:
    """Replica 0 decides odd rounds and looks before 1, 4, 7, 10; replica 1 before 2, 5, 8."""
    schedule = Schedule(replicas=2, refresh=3)
    arms, batches, _ = watched(Table(), schedule=schedule, rounds=10)
    assert arms[:, 0].tolist() == [0, 1, 0, 1, 3, 4, 6, 7, 6, 7]
    assert [batch.state_versions.item() for batch in batches] == arms[:, 0].tolist()


def test_delay_batches_staleness_and_replicas_together() -> None:
    """Versions after 4, 6, 8 from rounds 1 … 2, 4, 6; published after 5, 7, 9.

    Replica 0 decides odd rounds and looks before 1, 5, 9; replica 1 before 3, 7, 11.
    """
    schedule = Schedule(delay=2, batch=2, staleness=1, replicas=2, refresh=4)
    arms, batches, _ = watched(Table(), schedule=schedule, rounds=12)
    assert arms[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 3]
    assert [batch.rewards[0].tolist() for batch in batches] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert batches[3].state_versions[0].tolist() == [0, 1]


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_feedback_is_learned_when_it_arrives_and_rows_are_padded(block: int) -> None:
    schedule = Schedule()
    table = Table(arrivals=RAGGED)
    arms, batches, _ = watched(table, schedule=schedule, rounds=5, replications=2, block=block)
    assert [batch.rewards.tolist() for batch in batches] == [
        [[1], [0]],
        [[0, 0], [101, 102]],
        [[3], [103]],
        [[2], [104]],
        [[5], [105]],
    ]
    assert arms.T.tolist() == [[0, 1, 1, 2, 3], [0, 0, 1, 2, 3]]
    assert [batch.arms.tolist() for batch in batches] == [
        [[0], [-1]],
        [[-1, -1], [0, 0]],
        [[1], [1]],
        [[1], [2]],
        [[3], [3]],
    ]
    assert batches[3].state_versions.tolist() == [[1], [2]]


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_a_batch_is_in_the_order_of_arrival(block: int) -> None:
    """After round 4, replication 0: round 3 came with round 3, round 2 with round 4."""
    schedule = Schedule(batch=2)
    table = Table(arrivals=RAGGED)
    _, batches, _ = watched(table, schedule=schedule, rounds=5, replications=2, block=block)
    assert [batch.rewards.tolist() for batch in batches] == [
        [[1, 0], [101, 102]],
        [[3, 2], [103, 104]],
    ]


def test_feedback_of_one_arrival_comes_by_round_of_decision() -> None:
    """Rounds 1, 2 and 3 all arrive with round 3."""
    table = Table(arrivals=[[[2]], [[1]], [[0]]])
    _, batches, _ = watched(table, schedule=Schedule(), rounds=3, block=1)
    assert [batch.rewards.tolist() for batch in batches] == [[[1, 2, 3]]]


def test_the_delays_of_schedule_and_environment_add() -> None:
    table = Table(arrivals=[[[1]], [[0]], [[0]], [[0]], [[0]]])
    _, batches, _ = watched(table, schedule=Schedule(delay=2), rounds=5)
    assert [batch.rewards.tolist() for batch in batches] == [[[1, 2]], [[3]]]


@pytest.mark.parametrize(
    ("deduplicate", "learned"),
    [(True, [[1], [2], [3]]), (False, [[1], [2], [1, 3], [2]])],
)
def test_a_copy_is_learned_only_where_nobody_counts(
    deduplicate: bool, learned: list[list[int]]
) -> None:
    """Rounds 1 and 2 come at once, and again 2 rounds later; round 4 never does."""
    table = Table(arrivals=[[[0, 2]], [[2, 0]], [[0, -1]], [[-1, -1]]])
    schedule = Schedule(deduplicate=deduplicate)
    _, batches, _ = watched(table, schedule=schedule, rounds=4)
    assert [batch.rewards[0].tolist() for batch in batches] == learned


def test_propensities_are_those_of_the_moment_of_decision() -> None:
    """Arm 0 has 1/4 and arm 1 has 3/4, whenever the reward arrives and whoever decided."""
    arrivals = np.random.default_rng(3).integers(-1, 9, (60, 4, 2))
    _, batches, _ = watched(
        Table(n_arms=2, arrivals=list(arrivals)),
        schedule=Schedule(batch=3, staleness=2, replicas=2, refresh=5),
        rounds=60,
        replications=4,
        policy=TwoArmedPolicy,
    )
    assert batches
    for batch in batches:
        real = batch.arms >= 0
        assert np.array_equal(batch.propensities[real], np.array([0.25, 0.75])[batch.arms[real]])


@pytest.mark.parametrize("block", [1, 5, 40])
def test_what_waits_is_what_is_under_way(block: int) -> None:
    """Of 40 rounds of 3 replications with a delay of 7 rounds, the last 7 wait at the end."""
    _, batches, player = watched(
        Table(n_arms=1, arrivals=[[[7, 9]] * 3] * 40),
        schedule=Schedule(),
        rounds=40,
        replications=3,
        block=block,
        policy=ConstantPolicy,
    )
    assert len(batches) == 33
    assert isinstance(player._inbox, AsItArrives)
    assert player._inbox.waiting == 3 * 7


def test_masks_reach_the_policy_and_what_it_may_not_choose_is_refused() -> None:
    environment = Table(n_arms=2, available=[[1, 1], [1, 1], [0, 1]])
    watched(environment, schedule=Schedule(), rounds=2, policy=ConstantPolicy)
    with pytest.raises(InvalidParameter, match="WatchedPolicy chose arm 0, which is not available"):
        watched(environment, schedule=Schedule(), rounds=3, policy=ConstantPolicy)


def test_a_round_without_an_arm_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="a round in which no arm is available"):
        watched(Table(n_arms=2, available=[[1, 0], [0, 0]]), schedule=Schedule(), rounds=2)


def test_arrivals_of_another_shape_are_refused() -> None:
    environment = Table(n_arms=2, arrivals=[[0], [0]])
    with pytest.raises(ShapeError, match=r"arrivals have shape \(2, 1\), expected \(2, 1\) \+ \(c"):
        watched(environment, schedule=Schedule(), rounds=2)


@pytest.mark.parametrize(
    ("policy", "environment", "said"),
    [
        (None, Table(), "policy = None, expected an instance of Policy"),
        (ConstantPolicy, Table(), "policy = <class .*ConstantPolicy'>, expected an instance"),
        (ConstantPolicy(), None, "environment = None, expected an instance of Environment"),
    ],
)
def test_what_is_no_policy_or_environment_is_refused(
    policy: Any, environment: Any, said: str
) -> None:
    with pytest.raises(InvalidParameter, match=said):
        check_pairing(policy, environment)


@pytest.mark.parametrize(
    "arguments",
    [
        {"staleness": -1},
        {"replicas": 0},
        {"refresh": 0},
        {"refresh": 1.5},
        {"deduplicate": 1},
    ],
)
def test_what_is_no_schedule_is_refused_by_name(arguments: Any) -> None:
    (name,) = arguments
    with pytest.raises(InvalidParameter, match=rf"Schedule.{name} = "):
        Schedule(**arguments)


def test_seconds_become_rounds() -> None:
    schedule = Schedule.in_seconds(
        rounds_per_second=40, delay_s=2.5, batch_s=0.01, staleness_s=0.1, refresh_s=5, replicas=3
    )
    assert schedule == Schedule(delay=100, batch=1, staleness=4, refresh=200, replicas=3)


@pytest.mark.parametrize(
    "arguments", [{"delay_s": -1.0}, {"batch_s": float("nan")}, {"refresh_s": "2"}]
)
def test_what_is_no_duration_is_refused_by_name(arguments: Any) -> None:
    (name,) = arguments
    with pytest.raises(InvalidParameter, match=rf"Schedule.in_seconds\({name}="):
        Schedule.in_seconds(rounds_per_second=10, **arguments)
    with pytest.raises(InvalidParameter, match=r"in_seconds\(rounds_per_second=0"):
        Schedule.in_seconds(rounds_per_second=0)
