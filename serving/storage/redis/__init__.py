"""Intake and channel over a server that speaks Redis."""

from __future__ import annotations

from serving.storage.redis.channel import RedisChannel
from serving.storage.redis.connection import RedisConnection
from serving.storage.redis.intake import RedisIntake

__all__ = ["RedisChannel", "RedisConnection", "RedisIntake"]
