"""Passwords: slow on purpose, in threads of their own, so that signing in never stalls a select."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from qbrix.errors import Unavailable
from serving.settings import ProxySettings

__all__ = ["Passwords"]

T = TypeVar("T")

_POLITE = 10


class Passwords:
    """Argon2id under a bounded queue; who finds it full comes again later."""

    def __init__(self, settings: ProxySettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_rounds,
            memory_cost=settings.password_memory_kib,
            parallelism=1,
        )
        self._pool = ThreadPoolExecutor(
            settings.password_threads, thread_name_prefix="passwords", initializer=_step_back
        )
        self._places = settings.password_threads + settings.password_queue
        self._taken = 0
        self._decoy: str | None = None

    def check_place(self) -> None:
        """Raise Unavailable while every place is taken: nothing else need be done before."""
        if self._taken >= self._places:
            raise Unavailable(
                f"{self._taken} sign-ins wait already; try again in a moment", retry_after_s=2.0
            )

    async def hash(self, password: str) -> str:
        """What is stored; raises Unavailable."""
        return await self._run(self._hasher.hash, password)

    async def verify(self, password: str, *, stored: str | None) -> bool:
        """Whether it is the one; for nobody's password it takes as long. Raises Unavailable."""
        if stored is None:
            if self._decoy is None:
                self._decoy = await self.hash("nobody's")
            await self._run(self._matches, self._decoy, password)
            return False
        return await self._run(self._matches, stored, password)

    def close(self) -> None:
        """Take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        self.check_place()
        self._taken += 1
        loop = asyncio.get_running_loop()

        def leave(_: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._leave)

        future = self._pool.submit(work, *arguments)
        future.add_done_callback(leave)
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self._taken -= 1


def _step_back() -> None:
    """Run behind the event loop where the system can tell threads apart."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITE)
