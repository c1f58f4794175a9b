"""A client load with a bound: it selects, rewards, repeats itself, gives up and comes late."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from tests.faults.history import Attempt, History, Outcome

__all__ = ["Experiment", "Load", "make_experiments"]

PATIENCE_S = 8.0
PAUSE_S = 0.02
HELD = 40  # rewards that wait to be sent out of order
KINDS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("BetaTSPolicy", {}, 0),
    ("EXP3Policy", {}, 0),
    ("LinUCBPolicy", {"dim": 2}, 2),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """What the clients know of an experiment."""

    id: str
    dim: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reward:
    experiment: Experiment
    request_id: str
    reward: float
    feedback_id: str = ""


async def make_experiments(url: str, key: str, *, name: str) -> list[Experiment]:
    """One experiment of each kind: order-free, importance-weighted, contextual."""
    made = []
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=30.0) as http:
        arms = {"name": name, "arms": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
        pool = (await http.post("/api/v1/pools", json=arms)).raise_for_status().json()
        for policy, parameters, dim in KINDS:
            body = {
                "name": f"{name} {policy}",
                "pool_id": pool["id"],
                "policy": policy,
                "policy_params": parameters,
            }
            answer = (await http.post("/api/v1/experiments", json=body)).raise_for_status()
            made.append(Experiment(id=answer.json()["id"], dim=dim))
    return made


class Load:
    """``most`` decisions over the experiments, each with what clients do to it, then no more."""

    def __init__(
        self,
        url: Callable[[], str],
        key: str,
        experiments: Sequence[Experiment],
        history: History,
        *,
        rng: np.random.Generator,
        most: int,
    ) -> None:
        self._url = url
        self._headers = {"X-API-Key": key}
        self._experiments = experiments
        self._history = history
        self.rng = rng
        self._left = most
        self._held: list[_Reward] = []
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Load:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(headers=self._headers, timeout=PATIENCE_S, limits=limits)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.aclose()

    def stop(self) -> None:
        """Begin nothing more."""
        self._left = 0

    async def run(self, *, workers: int = 4) -> None:
        """Until the bound is reached or `stop` was called."""
        await asyncio.gather(*(self._work() for _ in range(workers)))

    async def settle(self, *, within_s: float = 30.0) -> None:
        """Send what was held back, and again what got no answer (but for a tenth of it)."""
        ends = time.monotonic() + within_s
        held, self._held = self._held, []
        await self._together(held)
        given_up = [one for one in self._unanswered() if self.rng.random() < 0.1]
        while time.monotonic() < ends:
            waiting = [one for one in self._unanswered() if one not in given_up]
            if not waiting:
                return
            await self._together(waiting)
            await asyncio.sleep(PAUSE_S)

    async def canary(self, experiment: Experiment, *, within_s: float) -> str:
        """A decision made, rewarded and acknowledged, as soon as can be; its token."""
        ends = time.monotonic() + within_s
        request_id = ""
        while time.monotonic() < ends:
            request_id = request_id or await self.select(experiment)
            if request_id:
                one = _Reward(experiment=experiment, request_id=request_id, reward=1.0)
                if await self.reward(one) == "ok":
                    return request_id
            await asyncio.sleep(PAUSE_S)
        raise AssertionError(f"the servers serve nobody {within_s:.0f} s after they were healed")

    async def select(self, experiment: Experiment) -> str:
        """One decision; its token, or "" when there was no answer."""
        context = tuple(self.rng.random(experiment.dim).tolist())
        who: dict[str, Any] = {"id": "somebody"}
        if context:
            who["vector"] = list(context)
        began_s = time.monotonic()
        body = {"experiment_id": experiment.id, "context": who}
        status, said = await self._post("/api/v1/agent/select", body)
        self._note(
            kind="select",
            experiment=experiment.id,
            sent_s=began_s,
            outcome={200: "ok", 0: "unknown", 503: "unknown"}.get(status, "failed"),
            status=status,
            request_id=said.get("request_id") or "",
            context=context,
            said=said,
        )
        return said.get("request_id") or ""

    async def give(
        self, experiment: Experiment, request_id: str, *, reward: float, feedback_id: str = ""
    ) -> Outcome:
        """One reward."""
        return await self.reward(
            _Reward(
                experiment=experiment,
                request_id=request_id,
                reward=reward,
                feedback_id=feedback_id,
            )
        )

    async def reward(self, one: _Reward) -> Outcome:
        """One reward, sent once."""
        began_s = time.monotonic()
        body = {
            "request_id": one.request_id,
            "reward": one.reward,
            "feedback_id": one.feedback_id,
        }
        status, said = await self._post("/api/v1/agent/feedback", body)
        return self.note_feedback(one, status=status, said=said, began_s=began_s)

    async def reward_together(self, rewards: Sequence[tuple[Experiment, str, float]]) -> None:
        """Many rewards in one request."""
        await self._together(
            [
                _Reward(experiment=experiment, request_id=token, reward=reward)
                for experiment, token, reward in rewards
            ]
        )

    async def _together(self, rewards: Sequence[_Reward]) -> None:
        if not rewards:
            return
        began_s = time.monotonic()
        items = [
            {"request_id": one.request_id, "reward": one.reward, "feedback_id": one.feedback_id}
            for one in rewards
        ]
        status, said = await self._post("/api/v1/agent/feedback/batch", {"items": items})
        results = said.get("results") or [{}] * len(rewards)
        for one, result in zip(rewards, results, strict=True):
            each = status
            if status in (200, 201) and not result.get("accepted"):
                each = 503 if "UNAVAILABLE" in (result.get("error") or "") else 400
            elif status == 200:
                each = 201
            self.note_feedback(one, status=each, said=result, began_s=began_s)

    async def repeat_at_once(
        self, experiment: Experiment, token: str, *, reward: float, times: int
    ) -> None:
        """The same reward over as many connections as there are copies, all at the same time."""
        one = _Reward(experiment=experiment, request_id=token, reward=reward)
        body = json.dumps({"request_id": token, "reward": reward}).encode()
        host, port = self._url().removeprefix("http://").split(":")
        head = [
            "POST /api/v1/agent/feedback HTTP/1.1",
            *(f"{name}: {value}" for name, value in self._headers.items()),
            *("Host: localhost", "Content-Type: application/json", "Connection: close"),
            f"Content-Length: {len(body)}",
        ]
        request = "\r\n".join([*head, "", ""]).encode() + body
        links = await asyncio.gather(
            *(asyncio.open_connection(host, int(port)) for _ in range(times))
        )
        began_s = time.monotonic()
        for _, writer in links:
            writer.write(request)
        answers = await asyncio.gather(*(reader.read() for reader, _ in links))
        for (_, writer), answer in zip(links, answers, strict=True):
            writer.close()
            first, _, rest = answer.partition(b"\r\n")
            said = json.loads(rest.partition(b"\r\n\r\n")[2] or b"{}")
            self.note_feedback(one, status=int(first.split()[1]), said=said, began_s=began_s)

    async def select_together(self, experiment: Experiment, *, n: int) -> list[str]:
        """Many decisions in one request; their tokens."""
        contexts = self.rng.random((n, experiment.dim)).tolist()
        bodies = [
            {"id": "somebody", "vector": vector} if vector else {"id": "somebody"}
            for vector in contexts
        ]
        began_s = time.monotonic()
        status, said = await self._post(
            "/api/v1/agent/select/batch", {"experiment_id": experiment.id, "contexts": bodies}
        )
        decisions = said.get("decisions") or []
        for context, decision in zip(contexts, decisions, strict=False):
            self._note(
                kind="select",
                experiment=experiment.id,
                sent_s=began_s,
                outcome="ok",
                status=status,
                request_id=decision["request_id"],
                context=tuple(context),
                said=decision,
            )
        return [decision["request_id"] for decision in decisions]

    def note_feedback(
        self, one: _Reward, *, status: int, said: dict[str, Any], began_s: float
    ) -> Outcome:
        """Write down one reward and its answer."""
        outcome: Outcome = "failed"
        if status == 201 and said.get("accepted"):
            outcome = "ok"
        elif status == 0 or status >= 500:
            outcome = "unknown"
        self._note(
            kind="feedback",
            experiment=one.experiment.id,
            sent_s=began_s,
            outcome=outcome,
            status=status,
            request_id=one.request_id,
            feedback_id=one.feedback_id,
            reward=one.reward,
            said=said,
        )
        return outcome

    def _note(self, **attempt: Any) -> None:
        self._history.attempts.append(Attempt(ended_s=time.monotonic(), **attempt))

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert self._http is not None, "use the load as a context manager"
        try:
            answer = await self._http.post(self._url() + path, json=body)
        except httpx.TransportError as error:
            return 0, {"error": repr(error)}
        found = answer.json()
        return answer.status_code, found if isinstance(found, dict) else {}

    async def _work(self) -> None:
        while self._left > 0:
            self._left -= 1
            experiment = self._experiments[int(self.rng.integers(len(self._experiments)))]
            token = await self.select(experiment)
            if not token:
                await asyncio.sleep(5 * PAUSE_S)
                continue
            await self._react(
                _Reward(
                    experiment=experiment,
                    request_id=token,
                    reward=float(self.rng.integers(5)) / 4,
                )
            )
            await asyncio.sleep(PAUSE_S)

    async def _react(self, one: _Reward) -> None:
        """What a client does with a decision: most reward it once, at once."""
        whim = self.rng.random()
        if whim < 0.1:
            return
        if whim < 0.3:
            self._held.append(one)
            if len(self._held) < HELD:
                return
            one = self._held.pop(int(self.rng.integers(len(self._held))))
        outcome = await self.reward(one)
        if outcome == "unknown" or whim > 0.8:
            await self.reward(one)

    def _unanswered(self) -> list[_Reward]:
        """What got no answer, each once."""
        known = {one.id: one for one in self._experiments}
        feedback = list(self._history.of("feedback"))
        settled = {
            (one.request_id, one.feedback_id) for one in feedback if one.outcome != "unknown"
        }
        again = {
            (one.request_id, one.feedback_id): _Reward(
                experiment=known[one.experiment],
                request_id=one.request_id,
                reward=one.reward,
                feedback_id=one.feedback_id,
            )
            for one in feedback
            if (one.request_id, one.feedback_id) not in settled
        }
        return list(again.values())
