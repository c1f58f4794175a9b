"""Wrappers: what they change, what they leave alone, and what they refuse."""

from __future__ import annotations

import json
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
    Noisy,
    Rounds,
    Scaled,
    from_spec,
)
from qbrix.errors import InvalidParameter, SupportError
from qbrix.rng import stream
from qbrix.types import IntArray

ARMS = Bernoulli([0.9, 0.5, 0.7])
LINEAR = LinearContextual.random(n_arms=3, dim=2)


def dealt(environment: Environment, *, horizon: int = 50, replications: int = 4) -> Rounds:
    rng = stream(7, "environment")
    (rounds,) = environment.play(rng, replications=replications, horizon=horizon)
    return rounds


def arrivals(environment: Environment, **sizes: int) -> IntArray:
    found = dealt(environment, **sizes).arrivals
    assert found is not None
    return found


@pytest.mark.parametrize("inner", [ARMS, LINEAR], ids=repr)
def test_wrapping_leaves_rewards_and_contexts_as_they_are(inner: Environment) -> None:
    plain = dealt(inner)
    wrapped = dealt(
        ArmsComeAndGo(
            Delayed(
                Duplicated(MissingFeedback(Noisy(inner, noise=0.0), rate=0.5), rate=0.5), delay=3
            ),
            retire={0: 20},
        )
    )
    assert np.array_equal(plain.rewards, wrapped.rewards)
    assert np.array_equal(plain.means, wrapped.means)
    assert (plain.contexts is None) == (wrapped.contexts is None)
    if plain.contexts is not None and wrapped.contexts is not None:
        assert np.array_equal(plain.contexts, wrapped.contexts)


def test_a_wrapper_has_the_sizes_of_what_is_wrapped() -> None:
    wrapper = MissingFeedback(LINEAR, rate=0.1)
    assert (wrapper.n_arms, wrapper.dim, wrapper.reward, wrapper.length, wrapper.depth) == (
        3,
        2,
        "continuous",
        None,
        0,
    )
    assert Delayed(wrapper, delay=1).depth == 1
    assert MissingFeedback(ARMS, rate=0.1).optimum == 0.9


def test_two_wrappers_of_a_kind_have_different_luck() -> None:
    """Half of a half of 4000 is heard of: 1000, within 5 standard deviations (6e-7)."""
    twice = MissingFeedback(MissingFeedback(ARMS, rate=0.5), rate=0.5)
    heard = (arrivals(twice, horizon=100, replications=40) >= 0).sum()
    assert abs(heard - 1000) <= 5.0 * np.sqrt(4000 * 0.25 * 0.75)


def test_a_spec_holds_the_spec_of_what_is_wrapped() -> None:
    nest = ArmsComeAndGo(
        Scaled(
            Delayed(
                Duplicated(MissingFeedback(ARMS, rate=0.1), rate=0.2, lag=3),
                delay=[1.0, 2.5],
                law="empirical",
                rounds_per_second=2.0,
            ),
            reward_range=(0, 1),
            onto=(-1, 1),
        ),
        arrive={2: 5},
        retire={0: 9},
    )
    spec = json.loads(json.dumps(nest.spec()))
    again = from_spec(spec)
    assert again.spec() == nest.spec()
    assert repr(again) == repr(nest)
    assert spec["id"] == "ArmsComeAndGo@1"
    assert spec["parameters"]["arrive"] == [[2, 5]]
    assert spec["parameters"]["environment"]["id"] == "Scaled@1"
    first, second = dealt(nest), dealt(again)
    assert np.array_equal(first.rewards, second.rewards)
    assert first.arrivals is not None
    assert second.arrivals is not None
    assert np.array_equal(first.arrivals, second.arrivals)


def test_fixed_delays_in_seconds_become_whole_rounds() -> None:
    assert (arrivals(Delayed(ARMS, delay=7)) == 7).all()
    assert (arrivals(Delayed(ARMS, delay=0.25, rounds_per_second=10)) == 2).all()


def test_exponential_delays_are_geometric_in_rounds() -> None:
    """P(e >= j) = exp(−j / 5); 40,000 draws, 5 standard deviations a number (4 × 6e-7)."""
    waits = arrivals(Delayed(ARMS, delay=5, law="exponential"), horizon=100, replications=400)
    for j in (1, 3, 8, 20):
        law = np.exp(-j / 5)
        assert abs((waits >= j).mean() - law) <= 5.0 * np.sqrt(law * (1 - law) / waits.size)


def test_empirical_delays_are_those_observed_equally_often() -> None:
    """40,000 draws of probability 1/4, 5 standard deviations a number (3 × 6e-7)."""
    delayed = Delayed(ARMS, delay=[0, 2, 2, 90], law="empirical")
    waits = arrivals(delayed, horizon=100, replications=400)
    found, counts = np.unique(waits, return_counts=True)
    assert found.tolist() == [0, 2, 90]
    limit = 5.0 * np.sqrt(0.25 / waits.size)
    assert (np.abs(counts / waits.size - [0.25, 0.5, 0.25]) <= limit).all()


def test_delays_add_and_what_is_lost_stays_lost() -> None:
    nest = Delayed(Delayed(MissingFeedback(ARMS, rate=0.5), delay=2), delay=3)
    assert set(np.unique(arrivals(nest)).tolist()) == {-1, 5}


def test_a_copy_has_a_delay_of_its_own_where_the_way_is_delayed() -> None:
    waits = arrivals(Delayed(Duplicated(ARMS, rate=1.0, lag=1), delay=5, law="exponential"))
    assert waits.shape == (50, 4, 2)
    assert (waits[..., 1] < waits[..., 0]).any()
    assert (waits[..., 1] > waits[..., 0] + 1).any()


def test_a_copy_of_what_never_comes_never_comes() -> None:
    waits = arrivals(Duplicated(MissingFeedback(ARMS, rate=0.5), rate=1.0, lag=4))
    lost = waits[..., 0] < 0
    assert 0 < lost.sum() < lost.size
    assert (waits[lost] == -1).all()
    assert (waits[~lost, 1] == 4).all()


def test_a_lost_feedback_is_lost_in_all_its_copies() -> None:
    waits = arrivals(MissingFeedback(Duplicated(ARMS, rate=1.0), rate=0.5))
    assert np.array_equal(waits[..., 0] < 0, waits[..., 1] < 0)


def test_rates_are_kept() -> None:
    """40,000 decisions, 5 standard deviations: false alarm below 6e-7 each."""
    sizes = {"horizon": 100, "replications": 400}
    lost = arrivals(MissingFeedback(ARMS, rate=0.2), **sizes) < 0
    again = arrivals(Duplicated(ARMS, rate=0.2), **sizes)[..., 1] >= 0
    for share in (lost.mean(), again.mean()):
        assert abs(share - 0.2) <= 5.0 * np.sqrt(0.2 * 0.8 / 40_000)


def test_arms_come_and_go_with_the_end_of_a_round() -> None:
    rounds = dealt(ArmsComeAndGo(ARMS, arrive={2: 1}, retire={0: 3}), horizon=5)
    assert rounds.available is not None
    there = [[1, 1, 0], [1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 1, 1]]
    assert rounds.available[:, 2].astype(int).tolist() == there
    assert rounds.best[:, 1].tolist() == [0.9, 0.9, 0.9, 0.7, 0.7]


def test_an_arm_that_comes_back_takes_two_wrappers() -> None:
    twice = ArmsComeAndGo(Bernoulli([0.9] * 3), retire={0: 2}, arrive={1: 3})
    nest = ArmsComeAndGo(twice, arrive={2: 1})
    rounds = dealt(nest, horizon=4)
    assert rounds.available is not None
    assert rounds.available[:, 0].astype(int).tolist() == [
        [1, 0, 0],
        [1, 0, 1],
        [0, 0, 1],
        [0, 1, 1],
    ]


def test_noise_keeps_the_mean_and_widens_the_support() -> None:
    """40,000 numbers of standard deviation 2, 5 of its errors: false alarm below 6e-7."""
    noisy = Noisy(ARMS, noise=2.0)
    assert noisy.reward == "continuous"
    sizes = {"horizon": 100, "replications": 400}
    rounds, plain = dealt(noisy, **sizes), dealt(ARMS, **sizes)
    noise = (rounds.rewards - plain.rewards)[..., 0]
    assert abs(noise.mean()) <= 5.0 * 2.0 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(2.0, abs=5.0 * 2.0 / np.sqrt(2 * noise.size))
    assert np.array_equal(rounds.means, plain.means)


@pytest.mark.parametrize(
    ("onto", "support"),
    [
        ((0, 1), "bounded"),
        ((0.5, 0.6), "bounded"),
        ((0, 3), "nonnegative"),
        ((-1, 1), "continuous"),
    ],
)
def test_a_scale_says_what_it_pays(onto: tuple[float, float], support: str) -> None:
    assert Scaled(ARMS, reward_range=(0, 1), onto=onto).reward == support


def test_a_scale_maps_rewards_means_and_optimum() -> None:
    """−1 … 3 onto 0 … 1: a reward of 0 becomes 1/4 and 1 becomes 1/2; 0.9 becomes 0.475."""
    scaled = Scaled(ARMS, reward_range=(-1, 3))
    rounds = dealt(scaled)
    assert np.array_equal(np.unique(rounds.rewards), [0.25, 0.5])
    assert rounds.means[0, 0] == pytest.approx([0.475, 0.375, 0.425], rel=1e-15)
    assert np.array_equal(rounds.best, rounds.means.max(-1))
    assert scaled.optimum == pytest.approx(0.475, rel=1e-15)


def test_a_reward_outside_the_declared_range_is_refused_with_its_value() -> None:
    with pytest.raises(SupportError, match=r"Bernoulli pays 1.0, .* in \[0, 0.5\]; declare"):
        dealt(Scaled(ARMS, reward_range=(0, 0.5)))


@pytest.mark.parametrize(
    ("wrapper", "arguments", "said"),
    [
        (Delayed, {"delay": -1}, r"Delayed.delay = -1"),
        (Delayed, {"delay": [1, 2]}, r"Delayed.delay = \[1, 2\]"),
        (Delayed, {"delay": [], "law": "empirical"}, r"expected a sequence of observed"),
        (Delayed, {"delay": 3.0, "law": "empirical"}, r"expected a sequence of observed"),
        (Delayed, {"delay": [1, -2], "law": "empirical"}, r"Delayed.delay = -2"),
        (Delayed, {"delay": 1, "law": "normal"}, r"Delayed\(law='normal'\)"),
        (Delayed, {"delay": 1, "rounds_per_second": 0}, r"Delayed.rounds_per_second = 0"),
        (MissingFeedback, {"rate": 1.1}, r"MissingFeedback.rate = 1.1"),
        (Duplicated, {"rate": -0.1}, r"Duplicated.rate = -0.1"),
        (Duplicated, {"rate": 0.1, "lag": -1}, r"Duplicated.lag = -1"),
        (Noisy, {"noise": -1}, r"Noisy.noise = -1"),
        (Scaled, {"reward_range": (1, 1)}, r"Scaled.reward_range = \(1, 1\)"),
        (Scaled, {"reward_range": (0, float("inf"))}, r"Scaled.reward_range = "),
        (Scaled, {"reward_range": 3}, r"Scaled.reward_range = 3"),
        (ArmsComeAndGo, {"arrive": {3: 1}}, r"names arm 3, Bernoulli has arms 0 … 2"),
        (ArmsComeAndGo, {"arrive": {"a": 1}}, r"ArmsComeAndGo.arrive: arm = 'a'"),
        (ArmsComeAndGo, {"retire": {0: 1.5}}, r"ArmsComeAndGo.retire\[0\] = 1.5"),
        (ArmsComeAndGo, {"retire": [4]}, r"ArmsComeAndGo\(retire=\[4\]\)"),
        (ArmsComeAndGo, {"arrive": {0: 5}, "retire": {0: 5}}, r"arm 0 arrives after 5 rou"),
        (ArmsComeAndGo, {"retire": {0: 5, 1: 5, 2: 4}}, r"after 5 rounds no arm is ava"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    wrapper: Any, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidParameter, match=said):
        wrapper(ARMS, **arguments)


def test_only_environments_are_wrapped() -> None:
    wrapper: Any = MissingFeedback
    with pytest.raises(InvalidParameter, match=r"MissingFeedback\(environment=.*an instance"):
        wrapper(Bernoulli, rate=0.1)


def test_wrappers_that_leave_no_arm_between_them_are_refused() -> None:
    nest = ArmsComeAndGo(ArmsComeAndGo(ARMS, retire={0: 5}), retire={1: 5, 2: 5})
    with pytest.raises(InvalidParameter, match="without any available arm"):
        dealt(nest)
