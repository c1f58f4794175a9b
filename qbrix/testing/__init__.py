"""Contracts as a product: suites that hold a policy to its interface, and exact numbers."""

from __future__ import annotations

from qbrix.testing.contract import Check, ContractViolation
from qbrix.testing.enumeration import exact_regret
from qbrix.testing.policy_suite import check_policy, policy_checks

__all__ = ["Check", "ContractViolation", "check_policy", "exact_regret", "policy_checks"]
