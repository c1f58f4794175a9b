"""Counting and confidence."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.environments import Rounds
from qbrix.errors import InvalidParameter
from qbrix.rng import stream
from qbrix.simulator.metrics import Tally, checkpoints_of, interval


def test_checkpoints_run_from_1_to_the_horizon_in_even_steps_and_in_equal_ratios() -> None:
    assert checkpoints_of(1000, count=8).tolist() == [1, 10, 100, 250, 500, 750, 1000]
    assert checkpoints_of(1, count=100).tolist() == [1]
    assert checkpoints_of(10, count=100).tolist() == list(range(1, 11))


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


def test_the_interval_of_1_2_3_is_students() -> None:
    """Mean 2, standard error 1/√3, Student's t with 2 degrees of freedom 4.302653."""
    mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert float(mean) == 2.0
    assert float(high - mean) == pytest.approx(4.3026527 / np.sqrt(3.0), abs=1e-6)
    assert float(mean - low) == pytest.approx(float(high - mean))


def test_one_replication_tells_nothing_about_its_spread() -> None:
    mean, low, high = interval(np.array([[1.0, 4.0]]))
    assert mean.tolist() == [1.0, 4.0]
    assert np.isnan([low, high]).all()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """20,000 intervals of 5 normal numbers; 5 standard deviations, false alarm below 6e-7."""
    _, low, high = interval(stream(8).standard_normal((5, 20_000)), confidence=0.9)
    covered = ((low < 0.0) & (high > 0.0)).mean()
    assert abs(covered - 0.9) <= 5.0 * np.sqrt(0.9 * 0.1 / 20_000)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(InvalidParameter, match="confidence = "):
        interval(np.array([1.0, 2.0]), confidence=confidence)
