"""Counting and confidence."""

from __future__ import annotations

import numpy as np

from qbrix.environments import Rounds
from qbrix.simulator.metrics import Tally, Trace, checkpoints_of, joined


def test_checkpoints_run_from_1_to_the_horizon_in_even_steps_and_in_equal_ratios() -> None:
    assert checkpoints_of(1000, count=8).tolist() == [1, 10, 100, 250, 500, 750, 1000]
    assert checkpoints_of(1, count=100).tolist() == [1]
    assert checkpoints_of(10, count=100).tolist() == list(range(1, 11))
    assert checkpoints_of(10, count=10**15).tolist() == list(range(1, 11))


def test_the_tally_adds_up_what_lies_between_checkpoints() -> None:
    """Two replications, means (.5, .2), checkpoints 1, 3 and 4, cut into blocks of 2 rounds."""
    tally = Tally(np.array([1, 3, 4]), replications=2, n_arms=2)
    arms = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    rewards = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    for start in (0, 2):
        tally.add(
            Rounds(
                rewards=np.zeros((2, 2, 2)),
                means=np.broadcast_to([0.5, 0.2], (2, 2, 2)),
                best=np.broadcast_to(0.5, (2, 2)),
            ),
            arms=arms[start : start + 2],
            rewards=rewards[start : start + 2],
            start=start,
        )
    trace = tally.trace(reached=3, seconds_per_decision=0.0, state_bytes=16.0)
    np.testing.assert_allclose(trace.regret, [[0.0, 0.3, 0.6], [0.3, 0.6, 0.6]], atol=1e-12)
    assert trace.reward.tolist() == [[1.0, 2.0, 3.0], [0.0, 2.0, 3.0]]
    assert trace.realised.tolist() == [[-0.5, -0.5, -1.0], [0.5, -0.5, -1.0]]
    assert trace.best.tolist() == [[1, 2, 2], [0, 1, 2]]
    assert trace.pulls.tolist() == [[1, 1], [3, 3], [4, 4]]
    assert trace.until(2).best.tolist() == [[1, 2], [0, 1]]
    assert trace.until(2).pulls.tolist() == [[1, 1], [3, 3]]


def one_trace(*, regret: float, replications: int) -> Trace:
    """Constant numbers at one checkpoint, two arms."""
    table = np.full((replications, 1), regret)
    return Trace(
        regret=table,
        realised=table + 1.0,
        reward=table + 2.0,
        best=table.astype(np.int64),
        pulls=np.array([[replications, 2 * replications]]),
        seconds_per_decision=regret,
        state_bytes=8.0,
    )


def test_units_are_joined_in_order_and_weighted_by_their_replications() -> None:
    whole = joined([one_trace(regret=1.0, replications=3), one_trace(regret=5.0, replications=1)])
    assert whole.regret.tolist() == [[1.0], [1.0], [1.0], [5.0]]
    assert whole.realised.tolist() == [[2.0], [2.0], [2.0], [6.0]]
    assert whole.reward.tolist() == [[3.0], [3.0], [3.0], [7.0]]
    assert whole.best.tolist() == [[1], [1], [1], [5]]
    assert whole.pulls.tolist() == [[4, 8]]
    assert (whole.seconds_per_decision, whole.state_bytes) == (2.0, 8.0)
