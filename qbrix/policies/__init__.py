"""The catalogue of policies: one file each, listed here, loaded when somebody asks for it."""

# The imports under their own names are for type checkers and editors: they are public.
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qbrix.policies.base import Capabilities, Policy
from qbrix.registry import Registry

if TYPE_CHECKING:
    from qbrix.policies.bagged_linear import BaggedLinearPolicy as BaggedLinearPolicy
    from qbrix.policies.bayes_ucb import BayesUCBPolicy as BayesUCBPolicy
    from qbrix.policies.besa import BESAPolicy as BESAPolicy
    from qbrix.policies.beta_ts import BetaTSPolicy as BetaTSPolicy
    from qbrix.policies.bootstrap_ts import BootstrapTSPolicy as BootstrapTSPolicy
    from qbrix.policies.clusters import ClustersPolicy as ClustersPolicy
    from qbrix.policies.cpucb import CPUCBPolicy as CPUCBPolicy
    from qbrix.policies.cusum_ucb import CUSUMUCBPolicy as CUSUMUCBPolicy
    from qbrix.policies.dirichlet_ts import DirichletTSPolicy as DirichletTSPolicy
    from qbrix.policies.discounted_ts import DiscountedTSPolicy as DiscountedTSPolicy
    from qbrix.policies.discounted_ucb import DiscountedUCBPolicy as DiscountedUCBPolicy
    from qbrix.policies.epsilon import EpsilonPolicy as EpsilonPolicy
    from qbrix.policies.epsilon_decreasing import EpsilonDecreasingPolicy as EpsilonDecreasingPolicy
    from qbrix.policies.epsilon_first import EpsilonFirstPolicy as EpsilonFirstPolicy
    from qbrix.policies.exp3 import EXP3Policy as EXP3Policy
    from qbrix.policies.exp3_anytime import EXP3AnytimePolicy as EXP3AnytimePolicy
    from qbrix.policies.exp3_ix import EXP3IXPolicy as EXP3IXPolicy
    from qbrix.policies.exp3_p import EXP3PPolicy as EXP3PPolicy
    from qbrix.policies.exp3_plus_plus import EXP3PlusPlusPolicy as EXP3PlusPlusPolicy
    from qbrix.policies.exp3_s import EXP3SPolicy as EXP3SPolicy
    from qbrix.policies.exp4 import EXP4Policy as EXP4Policy
    from qbrix.policies.explore_then_commit import (
        ExploreThenCommitPolicy as ExploreThenCommitPolicy,
    )
    from qbrix.policies.exponential_klucb import ExponentialKLUCBPolicy as ExponentialKLUCBPolicy
    from qbrix.policies.fpl import FPLPolicy as FPLPolicy
    from qbrix.policies.from_estimator import FromEstimatorPolicy as FromEstimatorPolicy
    from qbrix.policies.gamma_poisson_ts import GammaPoissonTSPolicy as GammaPoissonTSPolicy
    from qbrix.policies.gaussian_klucb import GaussianKLUCBPolicy as GaussianKLUCBPolicy
    from qbrix.policies.gaussian_ts import GaussianTSPolicy as GaussianTSPolicy
    from qbrix.policies.gittins import GittinsPolicy as GittinsPolicy
    from qbrix.policies.glm_ucb import GLMUCBPolicy as GLMUCBPolicy
    from qbrix.policies.glr_klucb import GLRKLUCBPolicy as GLRKLUCBPolicy
    from qbrix.policies.gradient_bandit import GradientBanditPolicy as GradientBanditPolicy
    from qbrix.policies.greedy import GreedyPolicy as GreedyPolicy
    from qbrix.policies.hedge import HedgePolicy as HedgePolicy
    from qbrix.policies.identification import IdentificationPolicy as IdentificationPolicy
    from qbrix.policies.ids import IDSPolicy as IDSPolicy
    from qbrix.policies.imed import IMEDPolicy as IMEDPolicy
    from qbrix.policies.kllucb import KLLUCBPolicy as KLLUCBPolicy
    from qbrix.policies.klucb import KLUCBPolicy as KLUCBPolicy
    from qbrix.policies.klucb_plus import KLUCBPlusPolicy as KLUCBPlusPolicy
    from qbrix.policies.klucb_plus_plus import KLUCBPlusPlusPolicy as KLUCBPlusPlusPolicy
    from qbrix.policies.lin_epsilon_greedy import LinEpsilonGreedyPolicy as LinEpsilonGreedyPolicy
    from qbrix.policies.lin_softmax import LinSoftmaxPolicy as LinSoftmaxPolicy
    from qbrix.policies.lin_ts import LinTSPolicy as LinTSPolicy
    from qbrix.policies.lin_ucb import LinUCBPolicy as LinUCBPolicy
    from qbrix.policies.lin_ucb_hybrid import LinUCBHybridPolicy as LinUCBHybridPolicy
    from qbrix.policies.lin_ucb_shared import LinUCBSharedPolicy as LinUCBSharedPolicy
    from qbrix.policies.logistic_ts import LogisticTSPolicy as LogisticTSPolicy
    from qbrix.policies.logistic_ucb import LogisticUCBPolicy as LogisticUCBPolicy
    from qbrix.policies.lucb import LUCBPolicy as LUCBPolicy
    from qbrix.policies.meta_bandit import MetaBanditPolicy as MetaBanditPolicy
    from qbrix.policies.moss import MOSSPolicy as MOSSPolicy
    from qbrix.policies.moss_any_time import MOSSAnyTimePolicy as MOSSAnyTimePolicy
    from qbrix.policies.mucb import MUCBPolicy as MUCBPolicy
    from qbrix.policies.neighbours import NeighboursPolicy as NeighboursPolicy
    from qbrix.policies.nig_lin_ts import NIGLinTSPolicy as NIGLinTSPolicy
    from qbrix.policies.normal_inverse_gamma_ts import (
        NormalInverseGammaTSPolicy as NormalInverseGammaTSPolicy,
    )
    from qbrix.policies.optimistic_greedy import OptimisticGreedyPolicy as OptimisticGreedyPolicy
    from qbrix.policies.oracle_restart import OracleRestartPolicy as OracleRestartPolicy
    from qbrix.policies.phe import PHEPolicy as PHEPolicy
    from qbrix.policies.poisson_klucb import PoissonKLUCBPolicy as PoissonKLUCBPolicy
    from qbrix.policies.random import RandomPolicy as RandomPolicy
    from qbrix.policies.reg_cb import RegCBPolicy as RegCBPolicy
    from qbrix.policies.restart import RestartPolicy as RestartPolicy
    from qbrix.policies.scalar import ScalarPolicy as ScalarPolicy
    from qbrix.policies.sequential_halving import SequentialHalvingPolicy as SequentialHalvingPolicy
    from qbrix.policies.sliding_window_ucb import SlidingWindowUCBPolicy as SlidingWindowUCBPolicy
    from qbrix.policies.softmax import SoftmaxPolicy as SoftmaxPolicy
    from qbrix.policies.square_cb import SquareCBPolicy as SquareCBPolicy
    from qbrix.policies.successive_elimination import (
        SuccessiveEliminationPolicy as SuccessiveEliminationPolicy,
    )
    from qbrix.policies.successive_rejects import SuccessiveRejectsPolicy as SuccessiveRejectsPolicy
    from qbrix.policies.top_two_ts import TopTwoTSPolicy as TopTwoTSPolicy
    from qbrix.policies.track_and_stop import TrackAndStopPolicy as TrackAndStopPolicy
    from qbrix.policies.tsallis_inf import TsallisINFPolicy as TsallisINFPolicy
    from qbrix.policies.tsallis_inf_rv import TsallisINFRVPolicy as TsallisINFRVPolicy
    from qbrix.policies.ucb1 import UCB1Policy as UCB1Policy
    from qbrix.policies.ucb1_tuned import UCB1TunedPolicy as UCB1TunedPolicy
    from qbrix.policies.ucb_alpha import UCBAlphaPolicy as UCBAlphaPolicy
    from qbrix.policies.ucbv import UCBVPolicy as UCBVPolicy
    from qbrix.policies.uniform_sampling import UniformSamplingPolicy as UniformSamplingPolicy

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
