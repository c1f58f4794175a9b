"""The portfolio: its mixture, its controller and what its learners are given, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from qbrix.environments import Bernoulli
from qbrix.errors import InvalidParameter, ShapeError
from qbrix.ledger import Decider
from qbrix.policies import get
from qbrix.policies._portfolio import Portfolio
from qbrix.policies.meta_bandit import MetaBanditPolicy
from qbrix.simulator import simulate
from qbrix.testing.policy_suite import check_policy
from qbrix.types import Interactions
from tests.policies.numbers import SEED, rows

TWO = "EpsilonPolicy(eps=0.5, gamma=1.0); GreedyPolicy"


def told(batch: Interactions, shares: list[list[float]]) -> Interactions:
    return replace(batch, recorded=np.array(shares))


def learned(policy: MetaBanditPolicy) -> Portfolio:
    """After arm 0 paid 0.5 and arm 1 paid 0, all decided by learners who were alike."""
    batch = told(rows([0, 1], [0.5, 0.0], [0.5, 0.5]), [[0.5] * 4] * 2)
    return policy.update(policy.init(n_arms=2), batch)


def test_the_mixture_is_worked_by_hand() -> None:
    """Laws (¾, ¼) and (1, 0); alike in the past, so the learners weigh the same."""
    policy = MetaBanditPolicy(learners=TWO, reward_type="bounded")
    prepared = policy.prepare(learned(policy))
    np.testing.assert_allclose(prepared.weights, [0.5, 0.5])
    np.testing.assert_allclose(policy.propensities(prepared), [0.875, 0.125], rtol=1e-15)
    masked = policy.propensities(prepared, mask=np.array([False, True]))
    assert masked.tolist() == [0.0, 1.0]


def test_what_a_learner_would_have_done_is_recorded_with_its_weight() -> None:
    policy = MetaBanditPolicy(learners=TWO, reward_type="bounded")
    prepared = policy.prepare(learned(policy))
    noted = policy.record(prepared, None, np.array(1))
    np.testing.assert_allclose(noted, [0.25, 0.0, 0.5, 0.5])


@pytest.mark.parametrize("use_context", [False, True])
def test_what_is_recorded_at_a_decision_explains_its_propensity(use_context: bool) -> None:
    """Σ q_i π_i(a) = p_a, decided as in serving: alone and a batch of contexts at a time."""
    policy = MetaBanditPolicy(reward_type="binary", use_context=use_context)
    contexts = np.random.default_rng(1).standard_normal((40, 2))
    state, many = policy.init(n_arms=3, dim=2), len(policy.learners.split(";"))
    for x in contexts:
        decided = Decider(policy, policy.prepare(state)).decide(0.6, x)
        batch = told(rows([decided.arm], [1.0], decided.propensity), [list(decided.recorded)])
        state = policy.update(state, replace(batch, contexts=x[None]))
    decider = Decider(policy, policy.prepare(state))
    decisions = [decider.decide(u, contexts[0]) for u in (0.1, 0.5, 0.999)]
    if use_context:
        decisions += decider.decide_many(np.full(40, 0.3), contexts)
    for decision in decisions:
        noted = np.array(decision.recorded)
        assert noted.size == 2 * many
        assert noted[:many] @ noted[many:] == pytest.approx(decision.propensity, abs=1e-12)


def test_one_row_of_the_controller_is_worked_by_hand() -> None:
    """Mean reward so far ¼; arm 0 pays 1 where the learners gave it ¾ and 1, p = 0.875.

    Terms −¾ (¾, 1) / 0.875 = (−9/14, −6/7), mean −¾: (3/28, −3/28), difference E = 3/14. In its
    units the losses are (½, −½) and the variance is ¼. The rate is 1, as √(ln 2 / ¼) is more, so
    the weights are as 1 : e.
    """
    policy = MetaBanditPolicy(learners=TWO, reward_type="bounded", gamma=0.0)
    batch = told(rows([0], [1.0], [0.875]), [[0.75, 1.0, 0.5, 0.5]])
    state = policy.update(learned(policy), batch)
    np.testing.assert_allclose(state.loss, [0.5, -0.5], rtol=1e-14)
    assert float(state.variance) == pytest.approx(0.25)
    assert float(state.scale) == pytest.approx(3.0 / 14.0)
    assert float(state.mean_reward) == pytest.approx(0.5)
    expected = [1.0 / (1.0 + exp(1.0)), exp(1.0) / (1.0 + exp(1.0))]
    np.testing.assert_allclose(policy.prepare(state).weights, expected, rtol=1e-14)


def test_the_rate_falls_with_the_variance() -> None:
    """V = 4 ln 2 halves the rate: loss 2 ln 3 apart becomes weights as 3 : 1."""
    policy = MetaBanditPolicy(learners=TWO, reward_type="bounded", gamma=0.2)
    start = policy.init(n_arms=2)
    state = replace(start, loss=np.array([0.0, 2.0 * log(3.0)]), variance=np.array(4.0 * log(2.0)))
    np.testing.assert_allclose(policy.prepare(state).weights, [0.7, 0.3], rtol=1e-14)


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (0.001, 7.0), (4.0, -100.0)])
def test_neither_unit_nor_origin_of_the_rewards_matters(scale: float, shift: float) -> None:
    policy = MetaBanditPolicy(learners=TWO)
    rng = np.random.default_rng(1)
    arms, paid = rng.integers(0, 3, 50), rng.standard_normal(50)
    recorded = np.c_[rng.random((50, 2)), np.full((50, 2), 0.5)]
    weights = [
        policy.prepare(
            policy.update(
                policy.init(n_arms=3),
                replace(rows(arms, rewards, 0.3), recorded=recorded),
            )
        ).weights
        for rewards in (paid, scale * paid + shift)
    ]
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-9)


def test_every_learner_learns_what_it_would_learn_alone() -> None:
    policy = MetaBanditPolicy(learners="BetaTSPolicy; EXP3IXPolicy", reward_type="bounded")
    batch = rows([0, 1, 1], [1.0, 0.25, 0.0], [0.5, 0.1, 0.9])
    state = policy.update(policy.init(n_arms=2), told(batch, [[0.5] * 4] * 3))
    alone = [get(name)() for name in ("BetaTSPolicy", "EXP3IXPolicy")]
    laws = [own.propensities(own.prepare(own.update(own.init(n_arms=2), batch))) for own in alone]
    for law, inner, own in zip(laws, policy.prepare(state).prepared, alone, strict=True):
        np.testing.assert_array_equal(own.propensities(inner), law)


@pytest.mark.parametrize("terrible", [-1e6, -1e100])
def test_a_million_terrible_rewards_do_not_overflow(terrible: float) -> None:
    """A thousand in one batch; the state is what it was but for sums, so a million are no news."""
    policy = MetaBanditPolicy(learners="EpsilonPolicy(eps=0.5, gamma=1.0); RandomPolicy")
    batch = rows(np.arange(1000) % 2, np.where(np.arange(1000) % 2, 0.0, terrible), 0.001)
    shares = np.tile([[1.0, 0.0, 0.5, 0.5], [0.0, 1.0, 0.5, 0.5]], (500, 1))
    state = policy.update(policy.init(n_arms=2), replace(batch, recorded=shares))
    state = replace(state, loss=state.loss * 1e3, variance=state.variance * 1e3)
    state = policy.update(state, replace(batch, recorded=shares))
    prepared = policy.prepare(state)
    assert np.isfinite(prepared.weights).all()
    np.testing.assert_allclose(prepared.weights, [0.01, 0.99], atol=1e-6)
    assert np.abs(policy.propensities(prepared).sum() - 1.0) < 1e-15


def test_the_controller_moves_to_the_better_learner() -> None:
    """Uniform choice against Thompson sampling, 30 runs of 500 rounds, means .7 and .3.

    The gap of .2 per round is some 9 standard deviations of the sum of terms after 500 rounds.
    """
    result = simulate(
        {
            "both": MetaBanditPolicy(
                learners="RandomPolicy; BetaTSPolicy", reward_type="binary", gamma=0.02
            ),
            "uniform": get("RandomPolicy")(),
        },
        Bernoulli([0.7, 0.3]),
        horizon=500,
        replications=30,
        seed=SEED,
        progress=False,
    )
    both, uniform = (result.traces[name].regret[:, -1].mean() for name in ("both", "uniform"))
    assert both < uniform / 3.0


def test_its_regret_is_within_three_times_the_best_learner_s() -> None:
    """Default portfolio on Bernoulli (.9, .5), 700 rounds, 12 runs on common rounds."""
    policy = MetaBanditPolicy(reward_type="binary")
    result = simulate(
        {"auto": policy, "best": get("BetaTSPolicy")()},
        Bernoulli([0.9, 0.5]),
        horizon=700,
        replications=12,
        seed=SEED,
        progress=False,
    )
    regret = {name: trace.regret[:, -1].mean() for name, trace in result.traces.items()}
    assert regret["auto"] < 3.0 * regret["best"]


def test_the_default_portfolio_fits_the_rewards_and_is_written_out() -> None:
    assert MetaBanditPolicy(reward_type="bounded").parameters()["learners"].startswith("BetaTS")
    assert "LinTS" in MetaBanditPolicy(use_context=True).learners
    clicks = MetaBanditPolicy(reward_type="binary", use_context=True)
    assert clicks.capabilities.context
    assert clicks.capabilities.recorded == 6
    assert clicks.capabilities.bits == "close"
    assert not MetaBanditPolicy.capabilities.context
    assert MetaBanditPolicy().capabilities.reward == "continuous"
    assert MetaBanditPolicy(**clicks.parameters()) == clicks


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"reward_type": "money"}, "'money'.*expected one of binary, bounded"),
        ({"learners": "LinUCBPolicy"}, "LinUCBPolicy does not fit.*set use_context=True"),
        ({"learners": "EpsilonPolicy; BetaTSPolicy"}, "learner = 'EpsilonPolicy"),
        ({"learners": "UCB1Policy; BetaTSPolicy"}, "UCB1Policy.*learns from .* rewards only"),
        ({"learners": "MetaBanditPolicy"}, "records numbers"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, str], match: str) -> None:
    with pytest.raises(InvalidParameter, match=match):
        MetaBanditPolicy(**given)  # type: ignore[arg-type]


def test_rows_without_what_was_recorded_are_refused() -> None:
    policy = MetaBanditPolicy(learners=TWO)
    with pytest.raises(ShapeError, match="recorded has shape None, expected"):
        policy.update(policy.init(n_arms=2), rows([0], [1.0]))


@pytest.mark.parametrize(
    "policy",
    [
        MetaBanditPolicy(reward_type="binary", use_context=True),
        MetaBanditPolicy(use_context=True, learners="LinTSPolicy; RandomPolicy"),
        MetaBanditPolicy(reward_type="bounded", learners=TWO),
    ],
)
def test_it_keeps_the_contract_whatever_it_holds(policy: MetaBanditPolicy) -> None:
    skip = {
        "million_updates_stay_finite": "each learner goes through them on its own",
        "sample_follows_propensities": "sample is that of every policy",
        "beats_uniform": "the default portfolio does",
    }
    assert len(check_policy(policy, skip=skip)) > 14
