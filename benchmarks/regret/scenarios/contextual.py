"""Rewards that depend on a context."""

from __future__ import annotations

from benchmarks.regret.scenario import Reference, Scenario, Size
from benchmarks.regret.worlds import policies_of, shared
from qbrix.environments import Classification, LinearContextual, Logistic, Wheel
from qbrix.policies.from_estimator import FromEstimatorPolicy

__all__ = ["CONTEXTUAL"]

CONTEXTUAL = [
    Scenario(
        id="linear-five-arms-1",
        title="Five linear arms over five features",
        environment=LinearContextual.random(n_arms=5, dim=5, seed=1, noise=0.5),
        policies=policies_of(
            "random lin_ucb lin_ucb(alpha=0.5) lin_ts nig_lin_ts lin_epsilon_greedy lin_softmax "
            "square_cb reg_cb bagged_linear"
        ),
        full=Size(horizon=2000, replications=100),
        quick=Size(horizon=200, replications=20),
    ),
    Scenario(
        id="linear-shared-1",
        title="Four arms with three features each and common coefficients",
        environment=shared(n_arms=4, features=3, noise=0.5),
        policies=policies_of("random lin_ucb_shared lin_ucb_hybrid(arm_features=2) lin_ucb"),
        full=Size(horizon=2000, replications=100),
        quick=Size(horizon=200, replications=20),
    ),
    Scenario(
        id="logistic-four-arms-1",
        title="Clicks on four arms, logistic in four features",
        environment=Logistic.random(n_arms=4, dim=4, seed=1),
        policies=policies_of(
            "random logistic_ts logistic_ucb glmucb lin_ts(v=0.3) neighbours clusters"
        ),
        full=Size(horizon=2000, replications=50),
        quick=Size(horizon=100, replications=10),
    ),
    Scenario(
        id="iris-estimators-1",
        title="The irises, one pass, with estimators of scikit-learn: reward of a round",
        environment=Classification.from_sklearn("iris"),
        policies=[
            *policies_of("random lin_ucb(alpha=0.3)"),
            FromEstimatorPolicy(
                estimator="sklearn.linear_model.LogisticRegression()", epsilon=0.05, window=150
            ),
            FromEstimatorPolicy(
                estimator="sklearn.tree.DecisionTreeClassifier(max_depth=3)",
                epsilon=0.05,
                window=150,
            ),
        ],
        full=Size(horizon=150, replications=50),
        quick=Size(horizon=60, replications=5),
        measure="mean_reward",
    ),
    Scenario(
        id="wheel-1",
        title="The wheel with δ = .8: Riquelme, Tucker and Snoek (2018)",
        environment=Wheel(delta=0.8),
        policies=policies_of("random lin_ucb lin_ts lin_epsilon_greedy"),
        full=Size(horizon=2000, replications=100),
        quick=Size(horizon=200, replications=20),
    ),
    Scenario(
        id="digits-1",
        title="scikit-learn's digits, one pass: reward of a round",
        environment=Classification.digits(),
        policies=policies_of(
            "random epsilon(eps=0.1,gamma=1.0) lin_ucb(alpha=1.0) lin_ucb(alpha=0.3) lin_ts(v=0.3) "
            "lin_epsilon_greedy(eps=0.1)"
        ),
        full=Size(horizon=1797, replications=20),
        quick=Size(horizon=300, replications=5),
        measure="mean_reward",
        references={
            "Random": Reference(0.1, error=0.0),
            "LinUCB(alpha=1)": Reference(0.7897, error=0.0015),
            "LinUCB(alpha=0.3)": Reference(0.8592, error=0.0019),
            "LinTS(v=0.3)": Reference(0.7297, error=0.0020),
            "LinEpsilonGreedy": Reference(0.6593, error=0.0095),
        },
        reference_replications=20,
    ),
]
