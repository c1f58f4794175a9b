"""A policy started over by a test for change, and policies inside policies."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.environments import PiecewiseStationary
from qbrix.errors import InvalidParameter, StateMismatch, UnknownName
from qbrix.policies import get
from qbrix.policies._nested import initial, learner_of, packed, unpacked
from qbrix.policies.restart import RestartPolicy
from qbrix.policies.sliding_window_ucb import SlidingWindowUCBPolicy
from qbrix.simulator import simulate
from qbrix.state import take, to_bytes
from qbrix.testing.policy_suite import check_policy
from tests.policies.numbers import (
    SEED,
    assert_cuts_and_padding_change_nothing,
    rows,
)


def test_a_learner_is_named_as_repr_shows_it() -> None:
    policy = SlidingWindowUCBPolicy(tau=7, xi=0.25)
    assert learner_of(repr(policy)) == policy
    assert learner_of("beta_ts") == get("BetaTSPolicy")()
    assert learner_of("BetaTSPolicy@1 ( beta_prior = 3 )").parameters()["beta_prior"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "BetaTSPolicy(",
        "BetaTSPolicy(2.0)",
        "BetaTSPolicy(x=1)",
        "BetaTSPolicy()(alpha_prior=2)",
        "BetaTSPolicy(alpha_prior=open('x'))",
        "EpsilonPolicy",
    ],
)
def test_what_names_no_policy_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"learner = .*write for example 'BetaTSPolicy\("):
        RestartPolicy(learner=text)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*BetaTSPolicy"):
        RestartPolicy(learner="BetaTPolicy")


def test_a_contextual_learner_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="LinUCBPolicy: it decides by context"):
        RestartPolicy(learner="LinUCBPolicy")


def test_a_packed_state_is_the_same_state() -> None:
    policy = SlidingWindowUCBPolicy(tau=3)
    rng = np.random.default_rng(1)
    start = policy.init(n_arms=2)
    state = policy.update(start, rows(rng.integers(2, size=8), rng.random(8)))
    numbers = packed(state)
    assert numbers.shape == (2 + 2 + 3 + 3 + 1,)
    assert to_bytes(unpacked(policy, numbers, n_arms=2)) == to_bytes(state)
    both = unpacked(policy, np.stack([numbers, initial(policy, 2)]), n_arms=2)
    assert to_bytes(take(both, 0)) == to_bytes(state)


def test_without_an_alarm_the_learner_learns_as_if_it_were_alone() -> None:
    policy = RestartPolicy(learner="BetaTSPolicy", delta=1e-9, alpha=0.1)
    alone = get("BetaTSPolicy")()
    batch = rows([0, 1, 1, 0], [1.0, 0.0, 0.5, 1.0])
    law = policy.propensities(policy.prepare(policy.update(policy.init(n_arms=2), batch)))
    expected = alone.propensities(alone.update(alone.init(n_arms=2), batch))
    np.testing.assert_allclose(law, 0.05 + 0.9 * expected, rtol=1e-14)


def test_an_alarm_forgets_all_and_only_what_came_before_it() -> None:
    """δ = ½: after six zeros of arm 0 the second one is an alarm; the row after it is learned."""
    policy = RestartPolicy(learner="BetaTSPolicy", delta=0.5, every=1)
    batch = rows([1, 1] + [0] * 8 + [1], [1, 1] + [0] * 6 + [1, 1] + [0])
    state = policy.update(policy.init(n_arms=2), batch)
    assert float(state.alarms) == 1.0
    np.testing.assert_array_equal(state.pulls, [0.0, 1.0])
    successes, failures = np.split(state.learner, 2)
    np.testing.assert_array_equal(successes, [0.0, 0.0])
    np.testing.assert_array_equal(failures, [0.0, 1.0])


def test_the_shortcut_draws_from_the_law() -> None:
    """100,000 draws, 5 standard deviations per arm: false alarm below 3 × 6e-7."""
    policy = RestartPolicy(alpha=0.3)
    start = policy.init(n_arms=3)
    one = policy.update(start, rows([0, 0, 1, 2], [1.0, 1.0, 0.0, 0.5]))
    mask = np.array([True, True, False])
    law = policy.propensities(policy.prepare(one), mask=mask)
    many = type(one)(
        **{
            name: np.broadcast_to(getattr(one, name), (100_000, *getattr(one, name).shape))
            for name in ("pulls", "total_reward", "block_reward", "block_length", "alarms")
        },
        learner=np.tile(one.learner, (100_000, 1)),
    )
    arms = policy.sample(policy.prepare(many), mask=mask, rng=np.random.default_rng(5))
    found = np.bincount(arms, minlength=3) / 100_000
    assert (np.abs(found - law) <= 5.0 * np.sqrt(law * (1.0 - law) / 100_000)).all()


def test_states_cannot_be_merged() -> None:
    policy = RestartPolicy()
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


@pytest.mark.parametrize(
    "learner",
    ["KLUCBPolicy", "TsallisINFRVPolicy", "SlidingWindowUCBPolicy(tau=9)"],
)
def test_it_keeps_the_contract_whatever_it_restarts(learner: str) -> None:
    skip = {
        "million_updates_stay_finite": "learner and detector each go through them on their own",
        "bits_are_the_same_everywhere": "learner and detector each go through it on their own",
    }
    assert len(check_policy(RestartPolicy(learner=learner, splits=4), skip=skip)) > 15


def test_batches_can_be_cut_anywhere() -> None:
    policy = RestartPolicy(learner="TsallisINFRVPolicy", delta=0.5, every=1, splits=2)
    assert_cuts_and_padding_change_nothing(policy)


def test_where_the_best_arm_falls_thompson_sampling_loses_less_than_half_with_restarts() -> None:
    """(.3, .9) for 700 rounds, then (.3, .1), 20 runs in the same rounds.

    Alone it needs some 1300 zeros before .9 has become .3; an alarm comes within some 20. The
    difference is over 20 standard errors: a new seed changes nothing.
    """
    result = simulate(
        {"restarts": RestartPolicy(), "goes on": get("beta_ts")()},
        PiecewiseStationary([(0.3, 0.9), (0.3, 0.1)], changes=[700]),
        horizon=1500,
        replications=20,
        seed=SEED,
        progress=False,
    )
    restarts, goes_on = (result.traces[name].regret[:, -1] for name in ("restarts", "goes on"))
    assert restarts.mean() < goes_on.mean() / 2.0
