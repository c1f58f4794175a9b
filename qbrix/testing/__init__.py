"""Contracts as a product: suites for policies and environments, and exact numbers."""

from __future__ import annotations

from qbrix.testing.contract import Check, ContractViolation
from qbrix.testing.enumeration import exact_regret
from qbrix.testing.environment_suite import check_environment, environment_checks
from qbrix.testing.policy_suite import check_policy, policy_checks

__all__ = [
    "Check",
    "ContractViolation",
    "check_environment",
    "check_policy",
    "environment_checks",
    "exact_regret",
    "policy_checks",
]
