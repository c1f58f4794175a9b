"""Estimators of scikit-learn as policies: text, fits and votes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qbrix.errors import InvalidParameter
from qbrix.policies import get
from qbrix.policies._estimators import estimator_of, text_of
from qbrix.policies._hashing import row_words, tosses
from qbrix.policies.from_estimator import FromEstimatorPolicy
from qbrix.simulator import simulate
from qbrix.testing.chance_laws import example_environment
from qbrix.testing.policy_suite import check_policy
from tests.policies.linear import observed
from tests.policies.numbers import SEED

LINE = "sklearn.linear_model.LinearRegression()"
MEAN = "sklearn.dummy.DummyRegressor()"


def test_text_and_object_are_the_same_estimator() -> None:
    for estimator in (
        Ridge(alpha=2.5, fit_intercept=False, random_state=0),
        LogisticRegression(random_state=5),
        RandomForestRegressor(n_estimators=7, random_state=3),
        make_pipeline(StandardScaler(), Ridge(alpha=0.5, random_state=0)),
    ):
        again = estimator_of(text_of(estimator))
        assert type(again) is type(estimator)
        assert repr(again) == repr(estimator)
    assert text_of(Ridge(alpha=2.5)) == "sklearn.linear_model.Ridge(alpha=2.5)"
    pipeline = estimator_of(
        "sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), "
        "sklearn.linear_model.Ridge(alpha=0.5))"
    )
    assert repr(pipeline) == repr(make_pipeline(StandardScaler(), Ridge(alpha=0.5, random_state=0)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ridge()",
        "sklearn.linear_model.Ridge",
        "sklearn.linear_model.Ridge(alpha=open('x'))",
        "sklearn.linear_model.Ridge(**{'alpha': 1.0})",
        "sklearn.linear_model.NoSuchThing()",
        "sklearn.linear_model.Ridge(no_such_argument=1)",
        "sklearn.linear_model._ridge.Ridge()",
        "sklearn.externals.array_api_compat.numpy.Ridge()",
        "sklearn.utils.os.system('true')",
        "sklearn.datasets.fetch_openml('x')",
        "os.system('true')",
        "__import__('os').system('true')",
        "sklearn.pipeline.make_pipeline(sklearn.linear_model.Ridge(), memory='/tmp/x')",
        "sklearn.linear_model.Ridge() if True else 1",
    ],
)
def test_nothing_but_estimators_with_literal_arguments_is_understood(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"estimator = .*expected an estimator of scikit"):
        FromEstimatorPolicy(estimator=text)


@pytest.mark.parametrize(
    "text", ["sklearn.preprocessing.StandardScaler()", "sklearn.svm.LinearSVC()"]
)
def test_what_predicts_neither_number_nor_chance_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="a classifier with predict_proba"):
        FromEstimatorPolicy(estimator=text)


def test_open_random_states_are_closed() -> None:
    pipeline = "sklearn.pipeline.make_pipeline(sklearn.ensemble.RandomForestRegressor())"
    assert estimator_of(pipeline).get_params()["randomforestregressor__random_state"] == 0


def test_the_best_prediction_gets_all_but_the_exploration() -> None:
    """Arm 0 paid x, arm 1 paid 1 − x: level at ½."""
    policy = FromEstimatorPolicy(estimator=LINE, epsilon=0.2, every=2)
    batch = observed([0, 0, 1, 1], [0.0, 1.0, 1.0, 0.0], [[0.0], [1.0]] * 2)
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=1), batch))
    law = policy.propensities(prepared, np.array([[0.4], [0.6], [0.5]]))
    np.testing.assert_allclose(law, [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], atol=1e-12)
    masked = policy.propensities(prepared, np.array([0.6]), mask=np.array([False, True]))
    assert masked.tolist() == [0.0, 1.0]


def test_unobserved_arms_come_first_and_then_means_until_the_first_fit() -> None:
    policy = FromEstimatorPolicy(estimator=LINE, epsilon=0.0, every=3)
    some = observed([0, 0, 1], [0.0, 1.0, 0.6], [[0.0], [1.0], [1.0]])
    state = policy.update(policy.init(n_arms=3, dim=1), some)
    assert policy.propensities(policy.prepare(state), np.ones(1)).tolist() == [0.0, 0.0, 1.0]
    state = policy.update(state, observed([2], [0.1], [[1.0]]))
    assert policy.propensities(policy.prepare(state), np.ones(1)).tolist() == [0.0, 1.0, 0.0]


def test_models_know_the_rows_up_to_the_last_multiple_and_within_the_window() -> None:
    """Rewards 1 … 7, every 3, window 5: the mean of rows 3 … 6, as 7 came after the sixth."""
    policy = FromEstimatorPolicy(estimator=MEAN, every=3, window=5)
    batch = observed([0] * 7, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [[1.0]] * 7)
    prepared = policy.prepare(policy.update(policy.init(n_arms=1, dim=1), batch))
    assert prepared.models[0][0][0].scores(np.ones((1, 1))).tolist() == [4.5]


def test_models_that_vote_are_fitted_to_bootstrap_samples() -> None:
    rng = np.random.default_rng(1)
    contexts, rewards = rng.standard_normal((20, 2)), rng.random(20)
    policy = FromEstimatorPolicy(estimator=MEAN, models=6, every=5)
    batch = observed([1] * 20, rewards.tolist(), contexts.tolist())
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=2), batch))
    coins = tosses(row_words(np.ones(20, dtype=int), np.arange(20.0), rewards, contexts), count=6)
    expected = [rewards[heads].mean() for heads in coins.T]
    found = [model.scores(np.ones((1, 2))).item() for model in prepared.models[0][1]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_classifier_learns_from_clicks_and_predicts_chances() -> None:
    policy = FromEstimatorPolicy.of(LogisticRegression(), every=2)
    assert policy.capabilities.reward == "binary"
    assert FromEstimatorPolicy().capabilities.reward == "continuous"
    batch = observed([0] * 4 + [1] * 4, [0.0, 1.0] * 2 + [1.0] * 4, [[0.0], [1.0]] * 4)
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=1), batch))
    own = LogisticRegression().fit([[0.0], [1.0]] * 2, [0, 1] * 2).predict_proba([[0.3]])[0, 1]
    x = np.array([[0.3]])
    assert prepared.models[0][0][0].scores(x).item() == pytest.approx(own, abs=1e-12)
    assert prepared.models[0][1][0].scores(x).item() == 1.0


def test_only_what_changed_is_fitted_again() -> None:
    policy = FromEstimatorPolicy(estimator=LINE, every=2)
    batch = observed([0, 0, 1, 1], [0.0, 1.0, 1.0, 0.0], [[0.0], [1.0]] * 2)
    state = policy.update(policy.init(n_arms=2, dim=1), batch)
    before = policy.prepare(state)
    more = observed([1, 1], [1.0, 1.0], [[0.0], [1.0]])
    after = policy.advance(before, policy.update(state, more), more)
    assert after.models[0][0][0] is before.models[0][0][0]
    assert after.models[0][1][0] is not before.models[0][1][0]


def test_an_estimator_that_needs_more_rows_says_so() -> None:
    text = "sklearn.isotonic.IsotonicRegression()"
    policy = FromEstimatorPolicy(estimator=text, every=2)
    state = policy.update(
        policy.init(n_arms=1, dim=2), observed([0, 0], [0.0, 1.0], [[0.0, 1.0], [1.0, 1.0]])
    )
    with pytest.raises(InvalidParameter, match=r"Isotonic.* cannot be fitted to 2 observations"):
        policy.prepare(state)


def test_a_forest_loses_less_than_uniform_choice() -> None:
    """Trees on the example's clicks, 8 runs of 150 rounds in common: over 5 standard errors."""
    policy = FromEstimatorPolicy(
        estimator="sklearn.tree.DecisionTreeRegressor(max_depth=3)", every=10
    )
    race = simulate(
        {"policy": policy, "uniform": get("RandomPolicy")()},
        example_environment(FromEstimatorPolicy.of(LogisticRegression())),
        horizon=150,
        replications=8,
        seed=SEED,
        progress=False,
    )
    regret = {name: trace.regret[:, -1] for name, trace in race.traces.items()}
    saved = regret["uniform"] - regret["policy"]
    assert saved.mean() > 5.0 * saved.std(ddof=1) / np.sqrt(8.0)


def test_it_keeps_the_contract_with_a_classifier_and_votes() -> None:
    skip = {
        "million_updates_stay_finite": "the window bounds the state",
        "sample_follows_propensities": "sample is that of every policy",
        "beats_uniform": "a tree does, above",
        "bits_are_the_same_everywhere": "learning only remembers, whatever is fitted later",
    }
    policy = FromEstimatorPolicy.of(LogisticRegression(), models=3, window=40)
    assert len(check_policy(policy, skip=skip)) > 14
