"""The catalogue of policies: one file each, registered here."""

from __future__ import annotations

from typing import Any

from qbrix.policies.bagged_linear import BaggedLinearPolicy
from qbrix.policies.base import Capabilities, Policy
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
from qbrix.registry import Registry

__all__ = ["Capabilities", "IdentificationPolicy", "Policy", "ScalarPolicy", "get", "policies"]

policies: Registry[Policy[Any, Any]] = Registry(
    kind="policy", group="qbrix.policies", suffix="Policy"
)
policies.register(BaggedLinearPolicy)
policies.register(BayesUCBPolicy)
policies.register(BESAPolicy)
policies.register(BetaTSPolicy)
policies.register(BootstrapTSPolicy)
policies.register(ClustersPolicy)
policies.register(CPUCBPolicy)
policies.register(CUSUMUCBPolicy)
policies.register(DirichletTSPolicy)
policies.register(DiscountedTSPolicy)
policies.register(DiscountedUCBPolicy)
policies.register(EpsilonDecreasingPolicy)
policies.register(EpsilonFirstPolicy)
policies.register(EpsilonPolicy)
policies.register(EXP3AnytimePolicy)
policies.register(EXP3IXPolicy)
policies.register(EXP3PlusPlusPolicy)
policies.register(EXP3Policy)
policies.register(EXP3PPolicy)
policies.register(EXP3SPolicy)
policies.register(EXP4Policy)
policies.register(ExploreThenCommitPolicy)
policies.register(ExponentialKLUCBPolicy)
policies.register(FPLPolicy)
policies.register(FromEstimatorPolicy)
policies.register(GammaPoissonTSPolicy)
policies.register(GaussianKLUCBPolicy)
policies.register(GaussianTSPolicy)
policies.register(GittinsPolicy)
policies.register(GLMUCBPolicy)
policies.register(GLRKLUCBPolicy)
policies.register(GradientBanditPolicy)
policies.register(GreedyPolicy)
policies.register(HedgePolicy)
policies.register(IDSPolicy)
policies.register(IMEDPolicy)
policies.register(KLLUCBPolicy)
policies.register(KLUCBPlusPlusPolicy)
policies.register(KLUCBPlusPolicy)
policies.register(KLUCBPolicy)
policies.register(LinEpsilonGreedyPolicy)
policies.register(LinSoftmaxPolicy)
policies.register(LinTSPolicy)
policies.register(LinUCBHybridPolicy)
policies.register(LinUCBPolicy)
policies.register(LinUCBSharedPolicy)
policies.register(LUCBPolicy)
policies.register(LogisticTSPolicy)
policies.register(LogisticUCBPolicy)
policies.register(MetaBanditPolicy, also="auto")
policies.register(MOSSAnyTimePolicy)
policies.register(MOSSPolicy)
policies.register(MUCBPolicy)
policies.register(NIGLinTSPolicy)
policies.register(NeighboursPolicy)
policies.register(NormalInverseGammaTSPolicy)
policies.register(OptimisticGreedyPolicy)
policies.register(OracleRestartPolicy)
policies.register(PHEPolicy)
policies.register(PoissonKLUCBPolicy)
policies.register(RandomPolicy)
policies.register(RegCBPolicy)
policies.register(RestartPolicy)
policies.register(SequentialHalvingPolicy)
policies.register(SlidingWindowUCBPolicy)
policies.register(SoftmaxPolicy)
policies.register(SuccessiveEliminationPolicy)
policies.register(SuccessiveRejectsPolicy)
policies.register(SquareCBPolicy)
policies.register(TopTwoTSPolicy)
policies.register(TrackAndStopPolicy)
policies.register(TsallisINFPolicy)
policies.register(TsallisINFRVPolicy)
policies.register(UCB1Policy)
policies.register(UCB1TunedPolicy)
policies.register(UCBAlphaPolicy)
policies.register(UCBVPolicy)
policies.register(UniformSamplingPolicy)

get = policies.get
