"""Simulated users of a served experiment: they ask for an arm, and answer with a reward later.

What they do is fixed by the seed: the order of the contexts, how long each user takes to answer
and whose feedback is delivered twice. How it interleaves is up to the machine, as in production.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
import numpy as np

from qbrix.rng import stream
from qbrix.types import Array, IntArray

__all__ = ["Traffic", "Users", "send"]


@dataclass(frozen=True, kw_only=True)
class Users:
    """How the simulated users behave.

    Attributes
    ----------
    concurrent : int
        Users who wait for an answer at the same time, at most.
    per_second : float
        How many decisions are asked for in a second, at most.
    feedback_delay_s : float
        Mean of the exponential time from decision to feedback.
    duplicates : float in [0, 1]
        Share of feedback that is delivered twice.
    seed : int
    """

    concurrent: int = 32
    per_second: float = 200.0
    feedback_delay_s: float = 0.15
    duplicates: float = 0.05
    seed: int = 0


@dataclass(kw_only=True)
class Traffic:
    """What the users saw, in the order of the decisions."""

    rewards: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    select_s: list[float] = field(default_factory=list)
    feedback_s: list[float] = field(default_factory=list)
    accepted: int = 0
    duplicates_sent: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def decisions(self) -> int:
        return len(self.rewards)

    @property
    def mean_reward(self) -> float:
        return float(np.mean(self.rewards)) if self.rewards else float("nan")

    @property
    def requests(self) -> int:
        return len(self.select_s) + len(self.feedback_s)


class _Session:
    """One experiment over one HTTP connection pool."""

    def __init__(self, http: aiohttp.ClientSession, experiment: str, traffic: Traffic) -> None:
        self._http = http
        self._experiment = experiment
        self._traffic = traffic

    async def select(self, number: int, context: Array) -> dict[str, Any]:
        body = {
            "experiment_id": self._experiment,
            "context": {"id": f"user-{number}", "vector": context.tolist()},
        }
        answer, seconds = await self._post("/api/v1/agent/select", body)
        self._traffic.select_s.append(seconds)
        return answer

    async def feedback(self, request_id: str, reward: float, *, copies: int) -> None:
        body = {"request_id": request_id, "reward": reward}
        for copy in range(copies):
            answer, seconds = await self._post("/api/v1/agent/feedback", body)
            self._traffic.feedback_s.append(seconds)
            self._traffic.duplicates_sent += copy > 0
            self._traffic.accepted += copy == 0 and answer["accepted"]

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], float]:
        for _ in range(20):
            start = time.perf_counter()
            async with self._http.post(path, json=body) as response:
                answer: dict[str, Any] = await response.json()
                seconds = time.perf_counter() - start
                if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    response.raise_for_status()
                    return answer, seconds
            self._traffic.retries += 1
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
        raise RuntimeError(f"{path} stayed unavailable: {answer}")


async def send(
    url: str,
    api_key: str,
    experiment: str,
    *,
    contexts: Array,
    arms: IntArray,
    users: Users,
    progress: Callable[[Traffic], None] = lambda traffic: None,
) -> Traffic:
    """Ask for one decision per row of ``contexts``; the reward is 1 for the arm that pays.

    Parameters
    ----------
    contexts : Array, shape (n, d)
    arms : IntArray, shape (n,)
        The arm that pays, per row.
    progress : callable
        Called after every decision with the traffic so far.
    """
    rng = stream(users.seed, "traffic")
    order = rng.permutation(len(arms))
    delays = rng.exponential(users.feedback_delay_s, len(arms))
    copies = 1 + (rng.random(len(arms)) < users.duplicates)
    traffic = Traffic()
    queue = iter(range(len(arms)))
    started = time.perf_counter()
    async with (
        aiohttp.ClientSession(
            url,
            headers={"X-API-Key": api_key},
            connector=aiohttp.TCPConnector(limit=users.concurrent),
        ) as http,
        asyncio.TaskGroup() as later,
        asyncio.TaskGroup() as now,
    ):
        session = _Session(http, experiment, traffic)

        async def answer_later(number: int, request_id: str, reward: float) -> None:
            await asyncio.sleep(delays[number])
            await session.feedback(request_id, reward, copies=int(copies[number]))

        turn_s = started

        async def user() -> None:
            nonlocal turn_s
            for number in queue:
                # Who was held up does not hurry afterwards.
                turn_s = max(turn_s + 1.0 / users.per_second, time.perf_counter())
                await asyncio.sleep(max(0.0, turn_s - time.perf_counter()))
                row = order[number]
                decision = await session.select(int(row), contexts[row])
                reward = float(decision["arm"]["index"] == arms[row])
                traffic.rewards.append(reward)
                traffic.versions.append(decision["state_version"])
                later.create_task(answer_later(number, decision["request_id"], reward))
                progress(traffic)

        for _ in range(users.concurrent):
            now.create_task(user())
    traffic.seconds = time.perf_counter() - started
    return traffic
