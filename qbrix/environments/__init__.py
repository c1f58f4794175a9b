"""The catalogue of environments: one file each, registered here.

A log is none of them: nobody knows what the arms that were not chosen would have paid. For logs of
uniformly random decisions there is `qbrix.evaluation.rejection_replay`.
"""

from __future__ import annotations

from qbrix.environments._catalogue import environments, from_spec
from qbrix.environments.adversarial import Adversarial
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.binomial import Binomial
from qbrix.environments.classification import Classification
from qbrix.environments.drifting import Drifting
from qbrix.environments.exponential import Exponential
from qbrix.environments.gaussian import Gaussian
from qbrix.environments.gym_adapter import GymnasiumBandit, from_gymnasium, to_gymnasium
from qbrix.environments.heavy_tailed import HeavyTailed
from qbrix.environments.item_replacement import ItemReplacement
from qbrix.environments.linear import LinearContextual
from qbrix.environments.logistic import Logistic
from qbrix.environments.lower_bound import LowerBound
from qbrix.environments.piecewise import PiecewiseStationary
from qbrix.environments.poisson import Poisson
from qbrix.environments.seasonal import Seasonal
from qbrix.environments.testbed import GaussianTestbed
from qbrix.environments.wheel import Wheel
from qbrix.environments.wrappers import (
    ArmsComeAndGo,
    Delayed,
    Duplicated,
    MissingFeedback,
    Noisy,
    Scaled,
    Wrapper,
)

__all__ = [
    "Adversarial",
    "ArmsComeAndGo",
    "Bernoulli",
    "Binomial",
    "Classification",
    "Delayed",
    "Drifting",
    "Duplicated",
    "Environment",
    "Exponential",
    "Gaussian",
    "GaussianTestbed",
    "GymnasiumBandit",
    "HeavyTailed",
    "ItemReplacement",
    "LinearContextual",
    "Logistic",
    "LowerBound",
    "MissingFeedback",
    "Noisy",
    "PiecewiseStationary",
    "Poisson",
    "Rounds",
    "Scaled",
    "Seasonal",
    "Wheel",
    "Wrapper",
    "environments",
    "from_gymnasium",
    "from_spec",
    "to_gymnasium",
]

environments.register(Adversarial)
environments.register(ArmsComeAndGo)
environments.register(Bernoulli)
environments.register(Binomial)
environments.register(Classification)
environments.register(Delayed)
environments.register(Drifting)
environments.register(Duplicated)
environments.register(Exponential)
environments.register(Gaussian)
environments.register(GaussianTestbed)
environments.register(GymnasiumBandit)
environments.register(HeavyTailed)
environments.register(ItemReplacement)
environments.register(LinearContextual)
environments.register(Logistic)
environments.register(LowerBound)
environments.register(MissingFeedback)
environments.register(Noisy)
environments.register(PiecewiseStationary)
environments.register(Poisson)
environments.register(Scaled)
environments.register(Seasonal)
environments.register(Wheel)
