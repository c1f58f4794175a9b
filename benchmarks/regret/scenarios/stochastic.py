"""Arms whose laws never change."""

from __future__ import annotations

from benchmarks.regret.scenario import Reference, Scenario, Size
from benchmarks.regret.worlds import TEN_ARMS, policies_of
from qbrix.environments import (
    Bernoulli,
    Binomial,
    Exponential,
    Gaussian,
    GaussianTestbed,
    HeavyTailed,
    Poisson,
)

__all__ = ["STOCHASTIC"]

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
