"""The catalogue of policies: one file each, registered here."""

from __future__ import annotations

from typing import Any

from qbrix.policies.base import Capabilities, Policy
from qbrix.registry import Registry

__all__ = ["Capabilities", "Policy", "policies"]

policies: Registry[Policy[Any, Any]] = Registry(
    kind="policy", group="qbrix.policies", suffix="Policy"
)
