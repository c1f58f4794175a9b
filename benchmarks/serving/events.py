"""Feedback as a proxy puts it into the stream, without the clients."""

from __future__ import annotations

import time

import numpy as np

from serving.proxy.agent.encoding import new_decision_id
from serving.storage.base import FeedbackEvent

__all__ = ["ARMS", "feedback_events"]

ARMS = 10


def feedback_events(experiment: str, count: int, *, seed: int, dim: int = 0) -> list[FeedbackEvent]:
    """Rewards of 0 and 1 for decisions of now, 60 a millisecond; contexts of ``dim`` numbers."""
    rng = np.random.default_rng(seed)
    arms, rewards = rng.integers(ARMS, size=count), rng.random(count) < 0.3
    now_ms = time.time_ns() // 1_000_000
    decided = now_ms - np.arange(count)[::-1] // 60
    return [
        FeedbackEvent(
            experiment=experiment,
            epoch=0,
            decision_id=new_decision_id(decided_ms, rng.bytes(10)),
            feedback_id="",
            arm=int(arm),
            reward=float(reward),
            u=0.05,
            low=0.0,
            propensity=0.1,
            version=0,
            gate=False,
            recorded=(),
            context=rng.standard_normal(dim).tobytes(),
            decided_ms=decided_ms,
            received_ms=now_ms,
        )
        for arm, reward, decided_ms in zip(arms, rewards, decided.tolist(), strict=True)
    ]
