"""Cortex: learning as a fold over the ledger, one leader a shard."""

from __future__ import annotations
