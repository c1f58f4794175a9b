"""Rewards on another scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_number
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.wrappers.base import Wrapper
from qbrix.errors import InvalidParameter, SupportError
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Scaled"]


class Scaled(Wrapper):
    r"""Maps a declared range of rewards onto another one, [0, 1] by default.

    .. math:: r' = a + (b - a) \frac{r - l}{h - l}

    A reward outside the declared range is refused, never clipped.

    Parameters
    ----------
    environment : Environment
        What is wrapped.
    reward_range : (low, high), finite, low < high
        l and h: where every reward must lie.
    onto : (low, high), default (0.0, 1.0)
        a and b. Support becomes bounded within [0, 1], nonnegative where a ≥ 0, else continuous.

    Raises
    ------
    SupportError
        While rounds are dealt: naming the reward that lies outside ``reward_range``.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli
    >>> in_cents = Scaled(Bernoulli([0.9, 0.5]), reward_range=(0, 1), onto=(0, 250))
    >>> in_cents.reward, in_cents.optimum
    ('nonnegative', 225.0)
    """

    def __init__(
        self,
        environment: Environment,
        *,
        reward_range: Sequence[float],
        onto: Sequence[float] = (0.0, 1.0),
    ) -> None:
        super().__init__(environment)
        self.reward_range = _checked(reward_range, name="Scaled.reward_range")
        self.onto = _checked(onto, name="Scaled.onto")
        self.reward = _support(self.onto)

    @classmethod
    def example(cls) -> Self:
        """Two arms that pay −1 or 1, as bounded rewards."""
        paying = cls(Bernoulli([0.9, 0.5]), reward_range=(0.0, 1.0), onto=(-1.0, 1.0))
        return cls(paying, reward_range=(-1.0, 1.0))

    @property
    def optimum(self) -> float | None:
        """The wrapped optimum on the new scale."""
        optimum = self.environment.optimum
        return None if optimum is None else float(self._mapped(np.asarray(optimum)))

    def settings(self) -> dict[str, Any]:
        """Both ranges."""
        return {"reward_range": list(self.reward_range), "onto": list(self.onto)}

    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """No random number."""
        low, high = self.reward_range
        outside = ~((rounds.rewards >= low) & (rounds.rewards <= high))
        if outside.any():
            raise SupportError(
                f"{type(self.environment).__name__} pays {float(rounds.rewards[outside][0])!r}, "
                f"Scaled expects rewards in [{low:g}, {high:g}]; declare a wider reward_range"
            )
        return replace(
            rounds,
            rewards=self._mapped(rounds.rewards),
            means=self._mapped(rounds.means),
            best=self._mapped(rounds.best),
        )

    def _mapped(self, values: Array) -> Array:
        (low, high), (bottom, top) = self.reward_range, self.onto
        mapped: Array = np.minimum(bottom + (top - bottom) * ((values - low) / (high - low)), top)
        return mapped


def _checked(ends: Sequence[float], *, name: str) -> tuple[float, float]:
    try:
        low, high = (one_number(end, name=name) for end in ends)
    except (TypeError, ValueError):
        low = high = 0.0
    if low >= high:
        raise InvalidParameter(
            f"{name} = {ends!r}, expected two finite numbers (low, high), low < high"
        )
    return low, high


def _support(onto: tuple[float, float]) -> RewardSupport:
    if onto[0] < 0.0:
        return "continuous"
    return "bounded" if onto[1] <= 1.0 else "nonnegative"
