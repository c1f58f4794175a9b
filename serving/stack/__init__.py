"""Everything on one machine: embedded Postgres and Valkey, and the roles, supervised."""

from __future__ import annotations

from serving.stack.stack import Stack

__all__ = ["Stack"]
