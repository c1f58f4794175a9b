"""The scenarios. An id stands for what it says for ever: change one, and it gets a new id.

Further policies are no change: every label has random numbers of its own, nobody else's move.
"""

from __future__ import annotations

import numpy as np

from benchmarks.regret.scenario import Reference, Scenario, Size
from benchmarks.regret.worlds import CHANGING, TEN_ARMS, advice, policies_of, shared, turns
from qbrix.environments import (
    ArmsComeAndGo,
    Bernoulli,
    Binomial,
    Classification,
    Delayed,
    Drifting,
    Duplicated,
    Exponential,
    Gaussian,
    GaussianTestbed,
    HeavyTailed,
    ItemReplacement,
    LinearContextual,
    Logistic,
    LowerBound,
    MissingFeedback,
    PiecewiseStationary,
    Poisson,
    Seasonal,
    Wheel,
)
from qbrix.policies.discounted_ucb import DiscountedUCBPolicy
from qbrix.policies.from_estimator import FromEstimatorPolicy
from qbrix.policies.oracle_restart import OracleRestartPolicy
from qbrix.simulator import Schedule

__all__ = ["EXCLUDED", "SCENARIOS"]

EXCLUDED: dict[str, str] = {}
"""Registered policies that stand in no scenario → why."""

STOCHASTIC = [
    Scenario(
        id="bernoulli-two-arms-1",
        title="Bernoulli (.9, .8): scenario 1 of Garivier and Cappé (2011)",
        environment=Bernoulli([0.9, 0.8]),
        policies=policies_of(
            "random epsilon(eps=0.1,gamma=1.0) epsilon(eps=1.0,gamma=0.99) "
            "epsilon_decreasing(c=5.0,d=0.1) epsilon_first(horizon=5000,eps=0.1) "
            "explore_then_commit(m=100) greedy optimistic_greedy softmax(temperature=0.1) "
            "gradient_bandit(step_size=0.1) ucb1 ucb_alpha(alpha=1.0) ucb1_tuned ucbv "
            "moss(horizon=5000) moss_any_time klucb klucb(c=3.0) klucb_plus "
            "klucb_plus_plus(horizon=5000) bayes_ucb cpucb beta_ts "
            "beta_ts(alpha_prior=0.5,beta_prior=0.5) dirichlet_ts(k=2) phe imed "
            "exp3_anytime tsallis_inf tsallis_infrv"
        ),
        full=Size(horizon=5000, replications=2000),
        quick=Size(horizon=500, replications=100),
        references={
            "UCB1": Reference(64.459, error=0.087),
            "UCBAlpha": Reference(24.887, error=0.071),
            "MOSS(horizon=5000)": Reference(24.624, error=0.066),
            "UCB1Tuned": Reference(15.760, error=0.115),
            "UCBV": Reference(50.871, error=0.065),
            "KLUCB": Reference(12.932, error=0.052),
            "KLUCB(c=3)": Reference(20.050, error=0.059),
            "KLUCBPlus": Reference(9.152, error=0.049),
            "KLUCBPlusPlus(horizon=5000)": Reference(12.787, error=0.047),
            "BetaTS": Reference(8.825, error=0.072),
            "BetaTS(alpha_prior=0.5, beta_prior=0.5)": Reference(9.588, error=0.075),
            "IMED": Reference(9.353, error=0.047),
            "Epsilon(eps=0.1, gamma=1)": Reference(30.799, error=0.103),
            "EXP3Anytime": Reference(49.795, error=0.108),
            "TsallisINF": Reference(30.074, error=0.075),
            "TsallisINFRV": Reference(23.396, error=0.117),
        },
        reference_replications=20_000,
    ),
    Scenario(
        id="bernoulli-two-arms-slow-1",
        title="Bernoulli (.9, .8), policies whose decisions cost much",
        environment=Bernoulli([0.9, 0.8]),
        policies=policies_of("beta_ts besa bootstrap_ts ids gittins(discount=0.9) meta_bandit"),
        full=Size(horizon=1000, replications=200),
        quick=Size(horizon=200, replications=20),
    ),
    Scenario(
        id="bernoulli-ten-arms-1",
        title="Bernoulli (.1, .05 × 3, .02 × 3, .01 × 3)",
        environment=Bernoulli(TEN_ARMS),
        policies=policies_of(
            "random ucb1 klucb klucb_plus beta_ts imed ucb1_tuned epsilon(eps=0.1,gamma=1.0) "
            "bayes_ucb phe moss_any_time tsallis_infrv"
        ),
        full=Size(horizon=20_000, replications=200),
        quick=Size(horizon=1000, replications=50),
        references={
            "UCB1": Reference(843.257, error=0.932),
            "KLUCB": Reference(131.353, error=0.59),
            "KLUCBPlus": Reference(79.275, error=0.427),
            "BetaTS": Reference(91.486, error=0.628),
            "IMED": Reference(79.807, error=0.442),
            "UCB1Tuned": Reference(241.995, error=0.659),
            "Epsilon(eps=0.1, gamma=1)": Reference(205.5, error=4.2),
        },
    ),
    Scenario(
        id="ten-armed-testbed-1",
        title="Sutton and Barto's testbed: best arm at step 1000",
        environment=GaussianTestbed(10),
        policies=policies_of(
            "greedy greedy(eps=0.01) greedy(eps=0.1) ucb_alpha(alpha=8.0) "
            "gradient_bandit(step_size=0.1) optimistic_greedy(initial_value=5.0,step_size=0.1) "
            "gaussian_ts gaussian_klucb normal_inverse_gamma_ts softmax(temperature=0.3)"
        ),
        full=Size(horizon=1000, replications=2000),
        quick=Size(horizon=300, replications=100),
        measure="optimal_at_end",
        references={
            "Greedy": Reference(0.360, tolerance=0.1),
            "Greedy(eps=0.01)": Reference(0.599, tolerance=0.1),
            "Greedy(eps=0.1)": Reference(0.800, tolerance=0.1),
            "UCBAlpha(alpha=8)": Reference(0.861, tolerance=0.1),
            "GradientBandit": Reference(0.855, tolerance=0.1),
            "OptimisticGreedy": Reference(0.862, tolerance=0.1),
        },
        reference_replications=5000,
    ),
    Scenario(
        id="gaussian-five-arms-1",
        title="Gaussian arms with means 0 … 1 and unit variance",
        environment=Gaussian([0.0, 0.25, 0.5, 0.75, 1.0]),
        policies=policies_of(
            "random gaussian_klucb gaussian_ts normal_inverse_gamma_ts ucb_alpha(alpha=4.0) "
            "explore_then_commit(m=20) epsilon(eps=0.1,gamma=1.0)"
        ),
        full=Size(horizon=2000, replications=500),
        quick=Size(horizon=300, replications=100),
    ),
    Scenario(
        id="heavy-tailed-1",
        title="Student noise with 2.5 degrees of freedom",
        environment=HeavyTailed([0.0, 0.5, 1.0], df=2.5),
        policies=policies_of("random gaussian_klucb gaussian_ts normal_inverse_gamma_ts"),
        full=Size(horizon=2000, replications=500),
        quick=Size(horizon=300, replications=100),
    ),
    Scenario(
        id="poisson-four-arms-1",
        title="Poisson arms with means 1 … 2.5",
        environment=Poisson([1.0, 1.5, 2.0, 2.5]),
        policies=policies_of("random poisson_klucb gamma_poisson_ts gaussian_klucb(variance=2.5)"),
        full=Size(horizon=2000, replications=500),
        quick=Size(horizon=300, replications=100),
    ),
    Scenario(
        id="exponential-five-arms-1",
        title="Exponential arms with means 1/5, 1/4, 1/3, 1/2 and 1",
        environment=Exponential([0.2, 0.25, 1.0 / 3.0, 0.5, 1.0]),
        policies=policies_of("random exponential_klucb gaussian_klucb epsilon(eps=0.1,gamma=1.0)"),
        full=Size(horizon=2000, replications=500),
        quick=Size(horizon=300, replications=100),
    ),
    Scenario(
        id="binomial-shares-1",
        title="Shares of ten trials: rewards strictly between 0 and 1",
        environment=Binomial([0.3, 0.4, 0.5], trials=10),
        policies=policies_of("random ucb1 ucb1_tuned ucbv klucb beta_ts imed dirichlet_ts(k=10)"),
        full=Size(horizon=2000, replications=500),
        quick=Size(horizon=300, replications=100),
    ),
]

NON_STATIONARY = [
    Scenario(
        id="changing-three-arms-1",
        title="Three arms, four changes in 5000 rounds",
        environment=CHANGING,
        policies=[
            *policies_of(
                "beta_ts ucb_alpha(alpha=1.0) sliding_window_ucb(tau=206) "
                "discounted_ts(gamma=0.99) exp3_s(gamma=0.1,alpha=0.0002) cusumucb mucb"
            ),
            DiscountedUCBPolicy(gamma=float(1.0 - 0.25 * np.sqrt(4.0 / 5000.0))),
            OracleRestartPolicy(changes="1000 2000 3000 4000"),
        ],
        full=Size(horizon=5000, replications=500),
        quick=Size(horizon=1500, replications=30),
        references={
            "BetaTS": Reference(495.5, error=5.2),
            "OracleRestart(changes=1000 2000 3000 4000)": Reference(49.1, error=0.4),
            "UCBAlpha": Reference(275.8, error=2.0),
            "DiscountedUCB(gamma=0.992929)": Reference(512.6, error=0.5),
            "SlidingWindowUCB(tau=206)": Reference(212.1, error=0.5),
            "DiscountedTS(gamma=0.99)": Reference(186.3, error=0.4),
        },
    ),
    Scenario(
        id="changing-three-arms-detected-1",
        title="The same changes, detected by likelihood ratios",
        environment=CHANGING,
        policies=policies_of("glrklucb restart"),
        full=Size(horizon=5000, replications=100),
        quick=Size(horizon=1200, replications=10),
    ),
    Scenario(
        id="drifting-1",
        title="Five wandering arms",
        environment=Drifting([0.3, 0.4, 0.5, 0.6, 0.7], step=0.01),
        policies=policies_of(
            "beta_ts sliding_window_ucb(tau=200) discounted_ts(gamma=0.99) exp3_s"
        ),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="seasonal-1",
        title="Two arms that are best by turns of 500 rounds",
        environment=Seasonal([0.5, 0.5], amplitudes=0.3, periods=1000, phases=[0.0, 0.5]),
        policies=policies_of("beta_ts sliding_window_ucb(tau=200) discounted_ts(gamma=0.99)"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=1000, replications=50),
    ),
    Scenario(
        id="item-replacement-1",
        title="Ten items that live 1000 rounds on average: Chapelle and Li (2011)",
        environment=ItemReplacement(n_arms=10, rate=1e-3),
        policies=policies_of("random beta_ts ucb_alpha(alpha=1.0) discounted_ts(gamma=0.99)"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
]

ADVERSARIAL = [
    Scenario(
        id="constrained-adversary-1",
        title="A gap of .1 under leaping levels: Zimmert and Seldin (2021)",
        environment=PiecewiseStationary.constrained_adversary(gap=0.1, horizon=10_000),
        policies=policies_of(
            "beta_ts exp3(gamma=0.05) exp3_anytime exp3_ix(gamma=0.01,eta=0.02) "
            "exp3_p(gamma=0.05,alpha=1.0,horizon=5000) exp3_plus_plus exp3_s tsallis_inf "
            "tsallis_infrv fpl(eta=20.0) hedge(eta=0.05)"
        ),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="turns-1",
        title="A table whose arms take turns, against the best single arm",
        environment=turns(4000),
        policies=policies_of("exp3(gamma=0.05) exp3_anytime tsallis_inf tsallis_infrv exp3_s"),
        full=Size(horizon=4000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="lower-bound-1",
        title="Auer's hardest instance for two arms and 2000 rounds",
        environment=LowerBound(n_arms=2, horizon=2000),
        policies=policies_of("random exp3_anytime tsallis_inf moss(horizon=2000) beta_ts"),
        full=Size(horizon=2000, replications=1000),
        quick=Size(horizon=500, replications=100),
    ),
    Scenario(
        id="expert-advice-1",
        title="Three experts advise on four classes",
        environment=advice(),
        policies=policies_of("random exp4(gamma=0.1) exp3(gamma=0.1)"),
        full=Size(horizon=4000, replications=100),
        quick=Size(horizon=500, replications=50),
        measure="mean_reward",
    ),
]

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

BEST_ARM = [
    Scenario(
        id="best-arm-confidence-1",
        title="Bernoulli (.5, .3, .2, .1), sure to 90 %: rounds until the policy stops",
        environment=Bernoulli([0.5, 0.3, 0.2, 0.1]),
        policies=policies_of(
            "uniform_sampling track_and_stop top_two_ts lucb(confidence=0.9) "
            "kllucb(confidence=0.9) successive_elimination(confidence=0.9)"
        ),
        full=Size(horizon=20_000, replications=200),
        quick=Size(horizon=3000, replications=10),
        measure="rounds",
        confidence=0.9,
    ),
    Scenario(
        id="best-arm-budget-1",
        title="Eight Bernoulli arms, a budget of 400 rounds: share of wrong recommendations",
        environment=Bernoulli([0.6, *[0.4] * 7]),
        policies=policies_of(
            "uniform_sampling successive_rejects(horizon=400) sequential_halving(horizon=400)"
        ),
        full=Size(horizon=400, replications=1000),
        quick=Size(horizon=400, replications=100),
        measure="errors",
    ),
]

PRODUCTION = [
    Scenario(
        id="delayed-ten-arms-1",
        title="Ten arms, feedback after 100 rounds",
        environment=Delayed(Bernoulli(TEN_ARMS), delay=100),
        policies=policies_of("random beta_ts ucb1 klucb exp3_anytime"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="production-ten-arms-1",
        title="Ten arms: late, lost and repeated feedback, batches, stale states, two replicas",
        environment=Duplicated(
            MissingFeedback(Delayed(Bernoulli(TEN_ARMS), delay=50.0, law="exponential"), rate=0.2),
            rate=0.1,
        ),
        schedule=Schedule(batch=50, staleness=20, replicas=2, refresh=100),
        policies=policies_of("random beta_ts ucb1 klucb exp3_anytime epsilon(eps=0.1,gamma=1.0)"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="arms-come-and-go-1",
        title="Four arms; the best one arrives after 300 rounds and leaves after 1200",
        environment=ArmsComeAndGo(
            Bernoulli([0.3, 0.4, 0.5, 0.6]), arrive={3: 300}, retire={3: 1200}
        ),
        policies=policies_of("random beta_ts ucb1 klucb exp3_anytime imed"),
        full=Size(horizon=2000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
]

SCENARIOS: dict[str, Scenario] = {
    scenario.id: scenario
    for scenario in (
        *STOCHASTIC,
        *NON_STATIONARY,
        *ADVERSARIAL,
        *CONTEXTUAL,
        *BEST_ARM,
        *PRODUCTION,
    )
}
