"""The Gymnasium environment itself; importing it needs gymnasium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces

from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter

__all__ = ["BanditEnv"]

_BLOCK = 128


class BanditEnv(gymnasium.Env[Any, Any]):
    """One replication of an environment, round by round; `to_gymnasium` makes it."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, environment: Environment, *, horizon: int) -> None:
        self.environment = environment
        self.horizon = horizon
        self.action_space = spaces.Discrete(environment.n_arms)
        self.observation_space = (
            spaces.Box(-np.inf, np.inf, (environment.dim,), dtype=np.float64)
            if environment.dim
            else spaces.Discrete(1)
        )
        self._dealt: Iterator[Rounds] = iter(())
        self._rounds: Rounds | None = None
        self._at = self._played = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; equal seeds begin equal ones."""
        super().reset(seed=seed, options=options)
        (rng,) = self.np_random.spawn(1)
        self._dealt = self.environment.play(rng, replications=1, horizon=self.horizon, block=_BLOCK)
        self._played = 0
        self._next_block()
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Play the round whose context was seen last."""
        rounds = self._rounds
        if rounds is None or self._played >= self.horizon:
            raise InvalidParameter("the episode is over; call reset() before the next step()")
        if not self.action_space.contains(action):
            raise InvalidParameter(f"action = {action!r}, expected one of {self.action_space}")
        arm, at = int(action), self._at
        reward = float(rounds.rewards[at, 0, arm])
        info = {"mean": float(rounds.means[at, 0, arm]), "best": float(rounds.best[at, 0])}
        self._played += 1
        over = self._played >= self.horizon
        if not over:
            self._at += 1
            if self._at == len(rounds.rewards):
                self._next_block()
        return self._seen(), reward, False, over, info

    def _next_block(self) -> None:
        rounds = next(self._dealt)
        if rounds.arrivals is not None or rounds.available is not None:
            raise InvalidParameter(
                f"{self.environment!r} delays feedback or takes arms away, which a step of "
                "Gymnasium cannot say; hand over what it wraps"
            )
        self._rounds, self._at = rounds, 0

    def _seen(self) -> Any:
        """The context of the round to come; after the last one, that of the last."""
        if self._rounds is None or self._rounds.contexts is None:
            return 0
        return self._rounds.contexts[self._at, 0].copy()
