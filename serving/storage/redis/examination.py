"""What there is to know about a Redis before rewards are entrusted to it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from qbrix.errors import Unavailable
from serving.storage.clocks import ClockOffset
from serving.storage.redis.connection import RedisConnection

__all__ = ["RedisFacts", "examine_redis"]

_SETTINGS = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisFacts:
    """``settings`` is empty where the server keeps them to itself; its clock beside ours."""

    name: str
    version: tuple[int, ...]
    settings: Mapping[str, str]
    role: str
    writes_fail: bool
    used_bytes: int
    clock: ClockOffset


async def examine_redis(url: str) -> RedisFacts:
    """Raises Unavailable."""
    connection = RedisConnection(url)
    try:
        info: dict[str, Any] = await connection.command("INFO")
        asked_s = time.time()
        seconds, micros = await connection.command("TIME")
        answered_s = time.time()
        settings = await _settings(connection)
    finally:
        await connection.close()
    statuses = (
        info.get("aof_last_write_status", "ok"),
        info.get("aof_last_bgrewrite_status", "ok"),
    )
    return RedisFacts(
        name=f"{info.get('server_name', 'redis')} {info.get('valkey_version', '')}".strip(),
        version=tuple(int(part) for part in str(info["redis_version"]).split(".")[:3]),
        settings=settings,
        role=str(info.get("role", "master")),
        writes_fail=any(status != "ok" for status in statuses),
        used_bytes=int(info.get("used_memory", 0)),
        clock=ClockOffset.read(
            int(seconds) + int(micros) / 1e6, asked_s=asked_s, answered_s=answered_s
        ),
    )


async def _settings(connection: RedisConnection) -> dict[str, str]:
    try:
        found = await connection.command("CONFIG GET", *_SETTINGS)
    except Unavailable as error:
        if isinstance(error.__cause__, ResponseError):
            return {}
        raise
    return {_text(name): _text(value) for name, value in found.items()}


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
