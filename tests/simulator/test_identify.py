"""`identify`: searches that end one by one, and what is reported of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import qbrix
from qbrix.environments import ArmsComeAndGo, Bernoulli, Delayed, Gaussian, LinearContextual
from qbrix.errors import InvalidParameter, SupportError
from qbrix.policies import Capabilities, IdentificationPolicy, Policy, get
from qbrix.policies._counts import Cells, Pulls, share
from qbrix.policies.random import RandomPolicy
from qbrix.policies.sequential_halving import SequentialHalvingPolicy
from qbrix.policies.successive_rejects import SuccessiveRejectsPolicy
from qbrix.policies.track_and_stop import TrackAndStopPolicy
from qbrix.policies.uniform_sampling import UniformSamplingPolicy
from qbrix.simulator import IdentificationResult, identify
from qbrix.simulator.identification import Identification, proportion_interval
from qbrix.types import Array, BoolArray, Interactions

Identifier = IdentificationPolicy[Any, Any]

EASY = Bernoulli([0.9, 0.5, 0.2])


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient(IdentificationPolicy[Pulls, Pulls]):
    """Chooses arm 0, stops after 5 observations at a confidence below .9 and never above."""

    state_type = Pulls
    capabilities = Capabilities(reward="continuous", goal="identification")

    def propensities(
        self, prepared: Pulls, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return share(np.broadcast_to([1.0, 0.0], prepared.pulls.shape), mask)

    def update_in_place(self, state: Pulls, batch: Interactions) -> None:
        Cells.of(batch, 2).add(state.pulls, 1.0)

    def merits(self, state: Pulls) -> Array:
        return state.pulls

    def stopped(self, state: Pulls, *, confidence: float) -> BoolArray:
        enough: BoolArray = (state.pulls.sum(-1) >= 5.0) & (confidence < 0.9)
        return enough


def by_hand() -> IdentificationResult:
    """Four searches, one of them wrong, one of them cut off at 40 rounds."""
    search = Identification(
        rounds=np.array([10, 20, 30, 40]),
        arms=np.array([0, 0, 1, 0]),
        right=np.array([True, True, False, True]),
        stopped=np.array([True, True, True, False]),
        pulls=np.array([[5, 5], [10, 10], [15, 15], [20, 20]]),
    )
    return IdentificationResult(
        policies={"it": UniformSamplingPolicy()},
        environment=Bernoulli([0.6, 0.4]),
        confidence=0.95,
        horizon=40,
        replications=4,
        seed=0,
        searches={"it": search},
    )


def test_a_search_ends_with_the_round_after_which_the_policy_says_so() -> None:
    found = identify(Patient(), Bernoulli([0.2, 0.7]), confidence=0.8, replications=3)
    search = found.searches["Patient"]
    assert search.rounds.tolist() == [5, 5, 5]
    assert search.arms.tolist() == [0, 0, 0]
    assert not search.right.any()
    assert search.stopped.all()
    assert search.pulls.tolist() == [[5, 0]] * 3


def test_who_never_stops_is_asked_when_the_rounds_are_used_up() -> None:
    found = identify(Patient(), Bernoulli([0.7, 0.2]), confidence=0.95, horizon=7, replications=2)
    search = found.searches["Patient"]
    assert search.rounds.tolist() == [7, 7]
    assert not search.stopped.any()
    assert search.right.all()
    assert found.summary()["unstopped"].tolist() == [1.0]


def test_with_a_fixed_budget_all_rounds_are_played() -> None:
    rivals: list[Identifier] = [SuccessiveRejectsPolicy(horizon=30), UniformSamplingPolicy()]
    found = identify(rivals, EASY, confidence=None, horizon=30, replications=5, seed=3)
    for search in found.searches.values():
        assert search.rounds.tolist() == [30] * 5
        assert search.pulls.sum(1).tolist() == [30] * 5
        assert search.stopped.all()
    assert found.least_rounds is None


def test_any_reward_will_do_for_those_who_only_compare_means() -> None:
    """Gaussian arms 3 standard deviations apart: 20 observations of each tell them apart."""
    found = identify(
        SequentialHalvingPolicy(horizon=120),
        Gaussian([0.0, 3.0, -3.0]),
        confidence=None,
        horizon=120,
        replications=50,
    )
    (search,) = found.searches.values()
    assert search.arms.tolist() == [1] * 50
    assert search.right.all()
    with pytest.raises(SupportError, match="TrackAndStopPolicy"):
        identify(TrackAndStopPolicy(), Gaussian([0.0, 1.0]))


def test_arms_that_are_not_there_are_not_observed() -> None:
    late = ArmsComeAndGo(EASY, arrive={2: 9})
    found = identify(
        UniformSamplingPolicy(), late, confidence=None, horizon=9, replications=6, seed=2
    )
    (search,) = found.searches.values()
    assert search.pulls[:, 2].tolist() == [0] * 6
    assert search.pulls.sum(1).tolist() == [9] * 6


def test_one_seed_gives_one_result_whoever_else_searches() -> None:
    one = identify(UniformSamplingPolicy(), EASY, replications=8, seed=5)
    rivals: list[Identifier] = [TrackAndStopPolicy(), UniformSamplingPolicy()]
    two = identify(rivals, EASY, replications=8, seed=5)
    first, second = (each.searches["UniformSampling"] for each in (one, two))
    for name in ("rounds", "arms", "right", "stopped", "pulls"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    other = identify(UniformSamplingPolicy(), EASY, replications=8, seed=6)
    assert not np.array_equal(first.rounds, other.searches["UniformSampling"].rounds)


def test_many_replications_are_cut_into_units_and_joined() -> None:
    """Units hold 1000 replications; the first of them is what it is alone."""
    small = identify(UniformSamplingPolicy(), EASY, replications=1000, seed=5)
    large = identify(UniformSamplingPolicy(), EASY, replications=1003, seed=5)
    (one,), (two,) = small.searches.values(), large.searches.values()
    assert len(two.rounds) == len(two.pulls) == 1003
    assert np.array_equal(one.rounds, two.rounds[:1000])


def test_the_summary_by_hand() -> None:
    """Mean 25, sd √(500/3), t(3) = 3.182446; 1 of 4: betaincinv ends .006309 and .805880."""
    row = by_hand().summary().loc["it"]
    assert row["error_rate"] == 0.25
    assert row["error_rate_low"] == pytest.approx(0.0063094, abs=1e-6)
    assert row["error_rate_high"] == pytest.approx(0.8058796, abs=1e-6)
    assert row["mean_rounds"] == 25.0
    half = 3.182446 * np.sqrt(500.0 / 3.0) / 2.0
    assert row["mean_rounds_high"] - 25.0 == pytest.approx(half, rel=1e-6)
    assert row["unstopped"] == 0.25


def test_exact_intervals_at_their_ends() -> None:
    """0 of n: the upper end solves (1 − p)ⁿ = .025."""
    end = 0.025 ** (1 / 20)
    np.testing.assert_allclose(proportion_interval(0, 20), [0.0, 1.0 - end], rtol=1e-12)
    np.testing.assert_allclose(proportion_interval(20, 20), [end, 1.0], rtol=1e-12)


def test_least_rounds_are_characteristic_time_times_divergence() -> None:
    """1 / T* = kl(.6, ½) for means .6 and .4; kl(.05, .95) = .9 ln 19."""
    time = 1.0 / (np.log(2.0) + 0.6 * np.log(0.6) + 0.4 * np.log(0.4))
    assert by_hand().least_rounds == pytest.approx(time * 0.9 * np.log(19.0), rel=1e-9)


def test_frames_pages_and_provenance_tell_the_same() -> None:
    found = by_hand()
    assert found.to_frame()["rounds"].tolist() == [10, 20, 30, 40]
    assert "25.00 %" in found._repr_html_()
    assert "<it>" not in found._repr_html_()
    assert "UniformSampling" in json.dumps(found.provenance)
    assert found.provenance["summary"]["it"]["unstopped"] == 0.25
    assert "confidence 0.95" in repr(found)


def test_a_race_keeps_recommendations_in_its_final_states() -> None:
    rivals: dict[str, Policy[Any, Any]] = {
        "it": UniformSamplingPolicy(),
        "random": RandomPolicy(),
    }
    race = qbrix.simulate(
        rivals, Bernoulli([0.1, 0.9]), horizon=60, replications=4, keep_states=True, progress=False
    )
    assert race.recommended("it").tolist() == [1, 1, 1, 1]
    with pytest.raises(InvalidParameter, match="random recommends no arm"):
        race.recommended("random")
    short = qbrix.simulate(UniformSamplingPolicy(), EASY, horizon=5, replications=1, progress=False)
    with pytest.raises(InvalidParameter, match="keep_states=True"):
        short.recommended("UniformSampling")


def test_the_root_has_it() -> None:
    assert qbrix.identify is identify
    assert qbrix.IdentificationResult is IdentificationResult


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter, match="recommends no arm"):
        identify(RandomPolicy(), EASY)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match=r"environment = .* without contexts"):
        identify(UniformSamplingPolicy(), LinearContextual.random(n_arms=2, dim=2, seed=1))
    with pytest.raises(InvalidParameter, match=r"samples for confidence = 0\.95"):
        identify(get("lucb")(), EASY, confidence=0.9)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="confidence = 1"):
        identify(UniformSamplingPolicy(), EASY, confidence=1)
    with pytest.raises(InvalidParameter, match="environment delays feedback"):
        identify(UniformSamplingPolicy(), Delayed(EASY, delay=3))
    with pytest.raises(InvalidParameter, match="horizon is missing"):
        identify(UniformSamplingPolicy(), EASY, confidence=None)
    with pytest.raises(InvalidParameter, match="replications = 0"):
        identify(UniformSamplingPolicy(), EASY, replications=0)
