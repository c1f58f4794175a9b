"""The catalogue of policies: one file each, registered here."""

from __future__ import annotations

from typing import Any

from qbrix.policies.base import Capabilities, Policy
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.exp3 import EXP3Policy
from qbrix.policies.klucb import KLUCBPolicy
from qbrix.policies.lin_ts import LinTSPolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.policies.scalar import ScalarPolicy
from qbrix.registry import Registry

__all__ = ["Capabilities", "Policy", "ScalarPolicy", "get", "policies"]

policies: Registry[Policy[Any, Any]] = Registry(
    kind="policy", group="qbrix.policies", suffix="Policy"
)
policies.register(BetaTSPolicy)
policies.register(EpsilonPolicy)
policies.register(EXP3Policy)
policies.register(KLUCBPolicy)
policies.register(LinTSPolicy)
policies.register(LinUCBPolicy)
policies.register(RandomPolicy)

get = policies.get
