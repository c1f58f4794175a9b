"""A client load with a bound: it selects, rewards, repeats itself, gives up and comes late."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qbrix.ledger.names import retraction_id, retraction_target
from tests.faults.asking import Asking
from tests.faults.history import Attempt, History, Outcome
from tests.faults.kinds import FORCED, Experiment

__all__ = ["Load"]

PAUSE_S = 0.02
HELD = 40  # rewards that wait to be sent out of order
TOGETHER = 5
AGENT = "/api/v1/agent"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reward:
    experiment: Experiment
    request_id: str
    reward: float
    feedback_id: str = ""


class Load:
    """``most`` decisions over the experiments, each with what clients do to it, then no more."""

    def __init__(
        self,
        asking: Asking,
        experiments: Sequence[Experiment],
        history: History,
        *,
        rng: np.random.Generator,
        most: int,
    ) -> None:
        self._asking = asking
        self._experiments = experiments
        self._history = history
        self.rng = rng
        self._left = most
        self._held: list[_Reward] = []

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
            taken_back = [one for one in waiting if retraction_target(one.feedback_id) is not None]
            await self._together([one for one in waiting if one not in taken_back])
            for one in taken_back:
                await self.reward(one)
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

    async def select(
        self, experiment: Experiment, *, over: str = "rest", forced: bool = False
    ) -> str:
        """One decision; its token, or "" when there was no answer."""
        vector = self.rng.random(experiment.dim).tolist()
        metadata = FORCED if forced else {}
        began_s = time.monotonic()
        if over == "grpc":
            status, said = await self._asking.select(
                experiment.id, metadata=metadata, vector=vector
            )
        else:
            who = {"id": "somebody", "metadata": metadata} | ({"vector": vector} if vector else {})
            body = {"experiment_id": experiment.id, "context": who}
            status, said = await self._asking.send("POST", f"{AGENT}/select", body)
        self._note(
            kind="select",
            experiment=experiment.id,
            sent_s=began_s,
            outcome={200: "ok", 0: "unknown", 503: "unknown"}.get(status, "failed"),
            status=status,
            request_id=said.get("request_id") or "",
            context=tuple(vector),
            forced=experiment.forced_arm if forced else None,
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

    async def reward(self, one: _Reward, *, over: str = "rest") -> Outcome:
        """One reward, or what takes one back, sent once."""
        began_s = time.monotonic()
        taken_back = retraction_target(one.feedback_id)
        if over == "grpc" and not one.feedback_id:
            status, said = await self._asking.feedback(one.request_id, one.reward)
        elif taken_back is None:
            status, said = await self._asking.send("POST", f"{AGENT}/feedback", _body(one))
        else:
            body = {"request_id": one.request_id, "feedback_id": taken_back}
            status, said = await self._asking.send("POST", f"{AGENT}/feedback/retract", body)
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
        items = [_body(one) for one in rewards]
        status, said = await self._asking.send("POST", f"{AGENT}/feedback/batch", {"items": items})
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
        host, port = self._asking.url().removeprefix("http://").split(":")
        head = [
            "POST /api/v1/agent/feedback HTTP/1.1",
            *(f"{name}: {value}" for name, value in self._asking.headers.items()),
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
        body = {"experiment_id": experiment.id, "contexts": bodies}
        status, said = await self._asking.send("POST", f"{AGENT}/select/batch", body)
        decisions = said.get("decisions") or []
        for context, decision in zip(contexts, decisions, strict=False):
            self._note(
                kind="select",
                experiment=experiment.id,
                sent_s=began_s,
                outcome="ok",
                status=status,
                request_id=decision["request_id"] or "",
                context=tuple(context),
                said=decision,
            )
        return [decision["request_id"] for decision in decisions if decision["request_id"]]

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

    async def _work(self) -> None:
        while self._left > 0:
            experiment = self._experiments[int(self.rng.integers(len(self._experiments)))]
            whim = self.rng.random()
            if whim < 0.03:
                await self._decide_together(experiment)
                continue
            self._left -= 1
            over = "grpc" if whim < 0.25 else "rest"
            forced = experiment.forced_arm is not None and whim > 0.8
            token = await self.select(experiment, over=over, forced=forced)
            if not token:
                await asyncio.sleep(5 * PAUSE_S)
                continue
            for name in experiment.names[: 1 + int(self.rng.integers(len(experiment.names)))]:
                await self._react(self._reward(experiment, token, name), over=over)
            await asyncio.sleep(PAUSE_S)

    async def _decide_together(self, experiment: Experiment) -> None:
        """Some decisions in one request, and their rewards in another."""
        self._left -= TOGETHER
        tokens = await self.select_together(experiment, n=TOGETHER)
        await self._together([self._reward(experiment, token, "") for token in tokens])
        await asyncio.sleep(PAUSE_S)

    def _reward(self, experiment: Experiment, token: str, name: str) -> _Reward:
        reward = float(self.rng.integers(5)) / 4
        return _Reward(experiment=experiment, request_id=token, reward=reward, feedback_id=name)

    async def _react(self, one: _Reward, *, over: str) -> None:
        """What a client does with a decision: most reward it once, at once; some take it back."""
        whim = self.rng.random()
        if whim < 0.1:
            return
        if whim < 0.3:
            self._held.append(one)
            if len(self._held) < HELD:
                return
            one = self._held.pop(int(self.rng.integers(len(self._held))))
        outcome = await self.reward(one, over=over)
        if outcome == "unknown" or whim > 0.8:
            await self.reward(one)
        if whim > 0.95:
            await self.reward(replace(one, feedback_id=retraction_id(one.feedback_id), reward=0.0))

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


def _body(one: _Reward) -> dict[str, Any]:
    return {"request_id": one.request_id, "reward": one.reward, "feedback_id": one.feedback_id}
