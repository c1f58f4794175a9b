"""What searches for the best arm share: errors within δ, stopping times near what is possible."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import log
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli
from qbrix.errors import InvalidParameter
from qbrix.policies import IdentificationPolicy
from qbrix.policies._evidence import likelihood_ratio
from qbrix.policies.beta_ts import Outcomes
from qbrix.policies.kllucb import KLLUCBPolicy
from qbrix.policies.lucb import LUCBPolicy
from qbrix.policies.successive_elimination import SuccessiveEliminationPolicy
from qbrix.policies.top_two_ts import TopTwoTSPolicy
from qbrix.policies.track_and_stop import TrackAndStopPolicy
from qbrix.policies.uniform_sampling import UniformSamplingPolicy
from qbrix.simulator import IdentificationResult, identify
from qbrix.theory import bernoulli_divergence, characteristic_time
from tests.policies.numbers import seen

Identifier = IdentificationPolicy[Any, Any]

SEED = 31
REPLICATIONS = 100
MEANS = (0.9, 0.5, 0.3)
DOUBTFUL = (0.7, 0.4)

SURE: list[Callable[..., Identifier]] = [
    SuccessiveEliminationPolicy,
    LUCBPolicy,
    KLLUCBPolicy,
    TrackAndStopPolicy,
    TopTwoTSPolicy,
    UniformSamplingPolicy,
]


@cache
def searched() -> IdentificationResult:
    rivals: list[Identifier] = [make() for make in SURE]
    return identify(rivals, Bernoulli(MEANS), replications=REPLICATIONS, seed=SEED, progress=False)


@pytest.mark.parametrize("make", SURE)
def test_errors_stay_within_what_was_asked_for(make: Callable[..., Identifier]) -> None:
    """δ = ½ for two near arms: P(Bin(100, ½) > 73) < 1e-6 for a policy that errs by all of δ."""
    policy = make()
    if "confidence" in policy.parameters():
        policy = make(confidence=0.5)
    found = identify(
        policy,
        Bernoulli(DOUBTFUL),
        confidence=0.5,
        replications=REPLICATIONS,
        seed=SEED,
        progress=False,
    )
    (search,) = found.searches.values()
    assert search.stopped.all()
    assert (~search.right).sum() <= 73


@pytest.mark.parametrize("label", [make().identifier().split("Policy")[0] for make in SURE])
def test_at_five_percent_hardly_anybody_errs(label: str) -> None:
    """P(Bin(100, .05) > 18) < 1e-6 for a policy that errs by all of δ."""
    search = searched().searches[label]
    assert search.stopped.all()
    assert (~search.right).sum() <= 18


@pytest.mark.parametrize("label", [make().identifier().split("Policy")[0] for make in SURE])
def test_nobody_is_faster_than_theory_allows(label: str) -> None:
    """Mean ≥ T* kl(δ, 1 − δ) = 11.18 × 2.650 = 29.6, less 5 standard errors of the mean."""
    rounds = searched().searches[label].rounds
    least = searched().least_rounds
    assert least == pytest.approx(characteristic_time(MEANS) * 0.9 * log(19.0))
    assert rounds.mean() + 5.0 * rounds.std(ddof=1) / np.sqrt(REPLICATIONS) >= least


@pytest.mark.parametrize(
    ("label", "cost", "slack"),
    [
        # Rounds per unit of the likelihood ratio: T*; for uniform shares K / (kl(.9, .7) +
        # kl(.5, .7)) = 3 / (.11632 + .08718), by hand.
        ("TrackAndStop", characteristic_time(MEANS), 0.2),
        ("UniformSampling", 3.0 / (0.11632 + 0.08718), 0.2),
        # Half of the observations to the best arm instead of 42 %: at most twice T*, in fact near.
        ("TopTwoTS", characteristic_time(MEANS), 0.35),
    ],
)
def test_likelihood_ratios_grow_as_they_should(label: str, cost: float, slack: float) -> None:
    """The mean is near the t at which t / cost = ln(2 t (K − 1) / δ)."""
    t = 100.0
    for _ in range(100):
        t = cost * log(2.0 * t * 2.0 / 0.05)
    assert searched().searches[label].rounds.mean() == pytest.approx(t, rel=slack)


def test_the_order_of_the_field() -> None:
    """Optimal proportions, uniform ones, a divergence, squares, and a radius made for a proof."""
    order = list(searched().summary().index)
    assert set(order[:2]) == {"TrackAndStop", "TopTwoTS"}
    assert order[2:] == ["UniformSampling", "KLLUCB", "LUCB", "SuccessiveElimination"]


@pytest.mark.parametrize(
    ("policy", "printed"),
    [
        (TrackAndStopPolicy(practical=True), 1406.0),
        (KLLUCBPolicy(practical=True, confidence=0.9), 2716.0),
    ],
)
def test_the_experiments_of_garivier_and_kaufmann(policy: Identifier, printed: float) -> None:
    """Mean rounds for δ = .1 in their Table 1, of 3000 searches, within 4 standard errors.

    6e-5 under a new seed; the seed is fixed.
    """
    found = identify(
        policy,
        Bernoulli([0.3, 0.21, 0.2, 0.19, 0.18]),
        confidence=0.9,
        replications=50,
        seed=SEED,
        progress=False,
    )
    (search,) = found.searches.values()
    rounds = search.rounds
    error = rounds.std(ddof=1) * np.sqrt(1.0 / 50.0 + 1.0 / 3000.0)
    assert abs(rounds.mean() - printed) <= 4.0 * error, f"{rounds.mean()} ± {error}"
    assert search.right.mean() >= 0.9


def test_the_practical_threshold_by_hand() -> None:
    """20 ln 2 > ln((1 + ln 20) / δ) where δ > (1 + ln 20) / 2²⁰ = 3.811e-6."""
    state, policy = seen([10, 10], [10, 0]), UniformSamplingPolicy(practical=True)
    assert policy.stopped(state, confidence=1.0 - 3.82e-6)
    assert not policy.stopped(state, confidence=1.0 - 3.80e-6)


def test_the_likelihood_ratio_by_hand() -> None:
    """10 of 10 against 0 of 10: 20 ln 2. Against the nearest of several, and 0 for a tie."""
    assert likelihood_ratio(*_counts([10, 10], [10, 0])) == pytest.approx(20.0 * log(2.0))
    near = 10.0 * bernoulli_divergence(np.array(1.0), np.array(0.75)) + 10.0 * (
        bernoulli_divergence(np.array(0.5), np.array(0.75))
    )
    assert likelihood_ratio(*_counts([10, 10, 10], [10, 0, 5])) == pytest.approx(float(near))
    assert likelihood_ratio(*_counts([10, 20, 10], [5, 10, 0])) == 0.0
    assert likelihood_ratio(*_counts([10, 0], [10, 0])) == 0.0
    assert likelihood_ratio(*_counts([10], [3])) == np.inf


@pytest.mark.parametrize("policy", [UniformSamplingPolicy(), TrackAndStopPolicy()])
def test_the_stopping_rule_by_hand(policy: UniformSamplingPolicy | TrackAndStopPolicy) -> None:
    """20 ln 2 > ln(2 · 20 / δ) where δ > 40 / 2²⁰ = 3.815e-5."""
    state = seen([10, 10], [10, 0])
    assert policy.stopped(state, confidence=1.0 - 3.82e-5)
    assert not policy.stopped(state, confidence=1.0 - 3.81e-5)


def test_top_two_stops_by_the_same_rule() -> None:
    state = Outcomes(successes=np.array([10.0, 0.0]), failures=np.array([0.0, 10.0]))
    assert TopTwoTSPolicy().stopped(state, confidence=1.0 - 3.82e-5)
    assert not TopTwoTSPolicy().stopped(state, confidence=1.0 - 3.81e-5)
    assert TopTwoTSPolicy().recommend(state) == 0


def test_ties_are_drawn_when_there_is_chance() -> None:
    policy, state = UniformSamplingPolicy(), seen([2, 2, 2], [1, 2, 2])
    assert policy.recommend(state) == 1
    rng = np.random.default_rng(1)
    assert {int(policy.recommend(state, rng=rng)) for _ in range(50)} == {1, 2}


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, float("nan")])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(InvalidParameter, match="confidence = "):
        UniformSamplingPolicy().stopped(seen([1, 1], [1, 0]), confidence=confidence)


def _counts(pulls: list[float], total: list[float]) -> tuple[Any, Any]:
    return np.array(pulls, dtype=np.float64), np.array(total, dtype=np.float64)
