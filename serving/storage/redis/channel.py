"""`Channel` over Redis: a hash for each copy, publish and subscribe for the calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from serving.storage import codec, keys
from serving.storage.records import StateRecord
from serving.storage.redis.connection import RedisConnection, translated

__all__ = ["RedisChannel"]

_PUBLISH = """
local held = redis.call('HMGET', KEYS[1], 'term', 'version')
if held[1] then
  local term, version = tonumber(held[1]), tonumber(held[2])
  local new_term, new_version = tonumber(ARGV[1]), tonumber(ARGV[2])
  if term > new_term or (term == new_term and version > new_version) then return 0 end
end
redis.call('HSET', KEYS[1], 'term', ARGV[1], 'version', ARGV[2], 'data', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
"""

_SILENCE_S = 5.0
_PAUSE_S = (0.05, 1.0)


class RedisChannel:
    """See `serving.storage.base.Channel`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._publish = connection.commands.register_script(_PUBLISH)

    async def ping(self) -> None:
        """See `Channel`."""
        await self._connection.command("PING")

    async def publish(self, state: StateRecord) -> bool:
        """See `Channel`."""
        arguments = (
            state.term,
            state.version,
            codec.pack_state(state),
            keys.STATES,
            state.experiment,
        )
        with translated():
            done = await self._publish(keys=(keys.state(state.experiment),), args=arguments)
        return bool(done)

    async def fetch(self, experiment: str) -> StateRecord | None:
        """See `Channel`."""
        data = await self._connection.command("HGET", keys.state(experiment), "data")
        return None if data is None else codec.unpack_state(data)

    async def versions(self, experiments: Sequence[str]) -> list[int | None]:
        """See `Channel`."""
        with translated():
            pipeline = self._connection.commands.pipeline(transaction=False)
            for experiment in experiments:
                pipeline.execute_command("HGET", keys.state(experiment), "version")
            found = await pipeline.execute()
        return [None if version is None else int(version) for version in found]

    async def announce(self, topic: str, payload: str) -> None:
        """See `Channel`."""
        await self._connection.command("PUBLISH", topic, payload)

    async def listen(self, *topics: str) -> AsyncIterator[tuple[str, str]]:
        """See `Channel`."""
        pause_s = _PAUSE_S[0]
        while True:
            pubsub = self._connection.listeners.pubsub()
            close: Callable[[], Awaitable[None]] = pubsub.aclose
            try:
                await _subscribe(pubsub, topics)
                pause_s = _PAUSE_S[0]
                for topic in topics:
                    yield topic, ""
                while True:
                    yield await _next(pubsub)
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S[1])
            finally:
                await close()


async def _subscribe(pubsub: PubSub, topics: tuple[str, ...]) -> None:
    """Return when the server has confirmed: what is said from now on will be heard."""
    await pubsub.subscribe(*topics)
    confirmed = 0
    while confirmed < len(topics):
        message = await pubsub.get_message(timeout=_SILENCE_S)
        if message is None:
            raise TimeoutError("the server does not confirm a subscription")
        confirmed += message["type"] == "subscribe"


async def _next(pubsub: PubSub) -> tuple[str, str]:
    """The next call; a long silence is checked to be one."""
    asked = False
    while True:
        message = await pubsub.get_message(timeout=_SILENCE_S)
        if message is None:
            if asked:
                raise TimeoutError("the server does not answer a ping")
            await pubsub.ping()
            asked = True
        elif message["type"] == "message":
            return message["channel"].decode(), message["data"].decode()
        else:
            asked = False
