"""Contracts as a product: suites that hold a policy to its interface, and exact numbers."""

from __future__ import annotations

from qbrix.testing.enumeration import exact_regret

__all__ = ["exact_regret"]
