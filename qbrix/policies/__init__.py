"""The catalogue of policies: one file each, listed here, loaded when somebody asks for it."""

# ruff: noqa: F401 (the imports are for type checkers and editors)
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qbrix.policies.base import Capabilities, Policy
from qbrix.registry import Registry

if TYPE_CHECKING:
    from qbrix.policies.bagged_linear import BaggedLinearPolicy
    from qbrix.policies.bayes_ucb import BayesUCBPolicy
    from qbrix.policies.besa import BESAPolicy
    from qbrix.policies.beta_ts import BetaTSPolicy
    from qbrix.policies.bootstrap_ts import BootstrapTSPolicy
    from qbrix.policies.clusters import ClustersPolicy
    from qbrix.policies.cpucb import CPUCBPolicy
    from qbrix.policies.cusum_ucb import CUSUMUCBPolicy
    from qbrix.policies.dirichlet_ts import DirichletTSPolicy
    from qbrix.policies.discounted_ts import DiscountedTSPolicy
    from qbrix.policies.discounted_ucb import DiscountedUCBPolicy
    from qbrix.policies.epsilon import EpsilonPolicy
    from qbrix.policies.epsilon_decreasing import EpsilonDecreasingPolicy
    from qbrix.policies.epsilon_first import EpsilonFirstPolicy
    from qbrix.policies.exp3 import EXP3Policy
    from qbrix.policies.exp3_anytime import EXP3AnytimePolicy
    from qbrix.policies.exp3_ix import EXP3IXPolicy
    from qbrix.policies.exp3_p import EXP3PPolicy
    from qbrix.policies.exp3_plus_plus import EXP3PlusPlusPolicy
    from qbrix.policies.exp3_s import EXP3SPolicy
    from qbrix.policies.exp4 import EXP4Policy
    from qbrix.policies.explore_then_commit import ExploreThenCommitPolicy
    from qbrix.policies.exponential_klucb import ExponentialKLUCBPolicy
    from qbrix.policies.fpl import FPLPolicy
    from qbrix.policies.from_estimator import FromEstimatorPolicy
    from qbrix.policies.gamma_poisson_ts import GammaPoissonTSPolicy
    from qbrix.policies.gaussian_klucb import GaussianKLUCBPolicy
    from qbrix.policies.gaussian_ts import GaussianTSPolicy
    from qbrix.policies.gittins import GittinsPolicy
    from qbrix.policies.glm_ucb import GLMUCBPolicy
    from qbrix.policies.glr_klucb import GLRKLUCBPolicy
    from qbrix.policies.gradient_bandit import GradientBanditPolicy
    from qbrix.policies.greedy import GreedyPolicy
    from qbrix.policies.hedge import HedgePolicy
    from qbrix.policies.identification import IdentificationPolicy
    from qbrix.policies.ids import IDSPolicy
    from qbrix.policies.imed import IMEDPolicy
    from qbrix.policies.kllucb import KLLUCBPolicy
    from qbrix.policies.klucb import KLUCBPolicy
    from qbrix.policies.klucb_plus import KLUCBPlusPolicy
    from qbrix.policies.klucb_plus_plus import KLUCBPlusPlusPolicy
    from qbrix.policies.lin_epsilon_greedy import LinEpsilonGreedyPolicy
    from qbrix.policies.lin_softmax import LinSoftmaxPolicy
    from qbrix.policies.lin_ts import LinTSPolicy
    from qbrix.policies.lin_ucb import LinUCBPolicy
    from qbrix.policies.lin_ucb_hybrid import LinUCBHybridPolicy
    from qbrix.policies.lin_ucb_shared import LinUCBSharedPolicy
    from qbrix.policies.logistic_ts import LogisticTSPolicy
    from qbrix.policies.logistic_ucb import LogisticUCBPolicy
    from qbrix.policies.lucb import LUCBPolicy
    from qbrix.policies.meta_bandit import MetaBanditPolicy
    from qbrix.policies.moss import MOSSPolicy
    from qbrix.policies.moss_any_time import MOSSAnyTimePolicy
    from qbrix.policies.mucb import MUCBPolicy
    from qbrix.policies.neighbours import NeighboursPolicy
    from qbrix.policies.nig_lin_ts import NIGLinTSPolicy
    from qbrix.policies.normal_inverse_gamma_ts import NormalInverseGammaTSPolicy
    from qbrix.policies.optimistic_greedy import OptimisticGreedyPolicy
    from qbrix.policies.oracle_restart import OracleRestartPolicy
    from qbrix.policies.phe import PHEPolicy
    from qbrix.policies.poisson_klucb import PoissonKLUCBPolicy
    from qbrix.policies.random import RandomPolicy
    from qbrix.policies.reg_cb import RegCBPolicy
    from qbrix.policies.restart import RestartPolicy
    from qbrix.policies.scalar import ScalarPolicy
    from qbrix.policies.sequential_halving import SequentialHalvingPolicy
    from qbrix.policies.sliding_window_ucb import SlidingWindowUCBPolicy
    from qbrix.policies.softmax import SoftmaxPolicy
    from qbrix.policies.square_cb import SquareCBPolicy
    from qbrix.policies.successive_elimination import SuccessiveEliminationPolicy
    from qbrix.policies.successive_rejects import SuccessiveRejectsPolicy
    from qbrix.policies.top_two_ts import TopTwoTSPolicy
    from qbrix.policies.track_and_stop import TrackAndStopPolicy
    from qbrix.policies.tsallis_inf import TsallisINFPolicy
    from qbrix.policies.tsallis_inf_rv import TsallisINFRVPolicy
    from qbrix.policies.ucb1 import UCB1Policy
    from qbrix.policies.ucb1_tuned import UCB1TunedPolicy
    from qbrix.policies.ucb_alpha import UCBAlphaPolicy
    from qbrix.policies.ucbv import UCBVPolicy
    from qbrix.policies.uniform_sampling import UniformSamplingPolicy

__all__ = ["Capabilities", "IdentificationPolicy", "Policy", "ScalarPolicy", "get", "policies"]

_BASES = {"IdentificationPolicy": "identification", "ScalarPolicy": "scalar"}
_POLICIES = {
    "BaggedLinearPolicy": "bagged_linear",
    "BayesUCBPolicy": "bayes_ucb",
    "BESAPolicy": "besa",
    "BetaTSPolicy": "beta_ts",
    "BootstrapTSPolicy": "bootstrap_ts",
    "ClustersPolicy": "clusters",
    "CPUCBPolicy": "cpucb",
    "CUSUMUCBPolicy": "cusum_ucb",
    "DirichletTSPolicy": "dirichlet_ts",
    "DiscountedTSPolicy": "discounted_ts",
    "DiscountedUCBPolicy": "discounted_ucb",
    "EpsilonPolicy": "epsilon",
    "EpsilonDecreasingPolicy": "epsilon_decreasing",
    "EpsilonFirstPolicy": "epsilon_first",
    "EXP3Policy": "exp3",
    "EXP3AnytimePolicy": "exp3_anytime",
    "EXP3IXPolicy": "exp3_ix",
    "EXP3PPolicy": "exp3_p",
    "EXP3PlusPlusPolicy": "exp3_plus_plus",
    "EXP3SPolicy": "exp3_s",
    "EXP4Policy": "exp4",
    "ExploreThenCommitPolicy": "explore_then_commit",
    "ExponentialKLUCBPolicy": "exponential_klucb",
    "FPLPolicy": "fpl",
    "FromEstimatorPolicy": "from_estimator",
    "GammaPoissonTSPolicy": "gamma_poisson_ts",
    "GaussianKLUCBPolicy": "gaussian_klucb",
    "GaussianTSPolicy": "gaussian_ts",
    "GittinsPolicy": "gittins",
    "GLMUCBPolicy": "glm_ucb",
    "GLRKLUCBPolicy": "glr_klucb",
    "GradientBanditPolicy": "gradient_bandit",
    "GreedyPolicy": "greedy",
    "HedgePolicy": "hedge",
    "IDSPolicy": "ids",
    "IMEDPolicy": "imed",
    "KLLUCBPolicy": "kllucb",
    "KLUCBPolicy": "klucb",
    "KLUCBPlusPolicy": "klucb_plus",
    "KLUCBPlusPlusPolicy": "klucb_plus_plus",
    "LinEpsilonGreedyPolicy": "lin_epsilon_greedy",
    "LinSoftmaxPolicy": "lin_softmax",
    "LinTSPolicy": "lin_ts",
    "LinUCBPolicy": "lin_ucb",
    "LinUCBHybridPolicy": "lin_ucb_hybrid",
    "LinUCBSharedPolicy": "lin_ucb_shared",
    "LogisticTSPolicy": "logistic_ts",
    "LogisticUCBPolicy": "logistic_ucb",
    "LUCBPolicy": "lucb",
    "MetaBanditPolicy": "meta_bandit",
    "MOSSPolicy": "moss",
    "MOSSAnyTimePolicy": "moss_any_time",
    "MUCBPolicy": "mucb",
    "NeighboursPolicy": "neighbours",
    "NIGLinTSPolicy": "nig_lin_ts",
    "NormalInverseGammaTSPolicy": "normal_inverse_gamma_ts",
    "OptimisticGreedyPolicy": "optimistic_greedy",
    "OracleRestartPolicy": "oracle_restart",
    "PHEPolicy": "phe",
    "PoissonKLUCBPolicy": "poisson_klucb",
    "RandomPolicy": "random",
    "RegCBPolicy": "reg_cb",
    "RestartPolicy": "restart",
    "SequentialHalvingPolicy": "sequential_halving",
    "SlidingWindowUCBPolicy": "sliding_window_ucb",
    "SoftmaxPolicy": "softmax",
    "SquareCBPolicy": "square_cb",
    "SuccessiveEliminationPolicy": "successive_elimination",
    "SuccessiveRejectsPolicy": "successive_rejects",
    "TopTwoTSPolicy": "top_two_ts",
    "TrackAndStopPolicy": "track_and_stop",
    "TsallisINFPolicy": "tsallis_inf",
    "TsallisINFRVPolicy": "tsallis_inf_rv",
    "UCB1Policy": "ucb1",
    "UCB1TunedPolicy": "ucb1_tuned",
    "UCBAlphaPolicy": "ucb_alpha",
    "UCBVPolicy": "ucbv",
    "UniformSamplingPolicy": "uniform_sampling",
}
_ALSO = {"MetaBanditPolicy": "auto"}
_HOMES = {name: f"{__name__}.{module}" for name, module in (_BASES | _POLICIES).items()}

policies: Registry[Policy[Any, Any]] = Registry(
    kind="policy", group="qbrix.policies", suffix="Policy"
)
for _name in _POLICIES:
    policies.shelve(_name, module=_HOMES[_name], also=_ALSO.get(_name, ""))

get = policies.get


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
