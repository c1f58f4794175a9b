"""Every Redis key, stream and topic: there is no name of one anywhere else.

What belongs to one shard carries its hash tag, so that a Redis Cluster keeps it together and one
pipeline reaches it. A state's copy is tagged by its experiment: nothing else is touched with it.
"""

from __future__ import annotations

import zlib

__all__ = [
    "API_KEYS",
    "CONTROLS",
    "LIMITS",
    "RECORDS",
    "STATES",
    "USERS",
    "decision_stream",
    "feedback_stream",
    "shard_of",
    "state",
    "streams",
]

STATES = "qbrix:states"  # payload: the experiment whose copy was replaced
CONTROLS = "qbrix:controls"  # payload: the shard that has a control change waiting
API_KEYS = "qbrix:api_keys"  # payload: SHA-256 of a credential that was changed
USERS = "qbrix:users"  # payload: a user's role, activity and revision (see `Mark`)
LIMITS = "qbrix:limits"  # payload: what a proxy counted of keys with a limit
RECORDS = "qbrix:records"  # payload: the experiment whose record was changed


def shard_of(experiment: str, *, shards: int) -> int:
    """The shard of a new experiment; it keeps it for life, whatever ``shards`` becomes."""
    return zlib.crc32(experiment.encode()) % shards


def feedback_stream(shard: int) -> str:
    """Stream of packed `FeedbackEvent`."""
    return f"qbrix:{{s{shard}}}:feedback"


def decision_stream(shard: int) -> str:
    """Stream of packed `DecisionEvent`."""
    return f"qbrix:{{s{shard}}}:decisions"


def streams(shard: int) -> str:
    """Hash about the shard's streams: their incarnation, and of feedback what came and went."""
    return f"qbrix:{{s{shard}}}:streams"


def state(experiment: str) -> str:
    """Hash with the published copy of an experiment's state."""
    return f"qbrix:{{{experiment}}}:state"
