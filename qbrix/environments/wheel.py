"""The wheel: a context in the unit disk, where exploring pays only near the rim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from qbrix.environments._numbers import one_number, one_per_arm
from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Wheel"]

_MEANS = (1.2, 1.0, 50.0)


class Wheel(Environment):
    """Five arms over the unit disk: a safe one, and one for each quadrant of a thin rim.

    .. math:: \\mu_0(x) = \\mu_1, \\qquad
        \\mu_k(x) = \\mu_3 \\text{ if } |x| > \\delta \\text{ in quadrant } k, \\text{ else } \\mu_2

    Contexts are uniform in the disk, rewards are normal around these means. Inside the radius δ
    arm 0 is best; outside, the arm of the quadrant: 1 for (+, +), 2 for (+, −), 3 for (−, +),
    4 for (−, −).

    Parameters
    ----------
    delta : float in [0, 1], default 0.95
        Radius δ; the share 1 − δ² of the contexts lies outside.
    means : three numbers, default (1.2, 1, 50)
        μ₁ of the safe arm, μ₂ of the others, μ₃ of the right one outside; μ₂ < μ₁ < μ₃.
    sd : float >= 0, default 0.01
        Standard deviation of the rewards.

    Examples
    --------
    >>> wheel = Wheel(delta=0.5)
    >>> wheel.n_arms, wheel.dim
    (5, 2)

    Notes
    -----
    The noise of a round is shared by its arms. The larger δ, the rarer the rounds from which the
    great reward can be learned.

    References
    ----------
    Riquelme, Tucker and Snoek (2018), *Deep Bayesian Bandits Showdown*, ICLR: the wheel bandit.
    """

    reward: RewardSupport = "continuous"
    n_arms = 5
    dim = 2

    def __init__(
        self, delta: float = 0.95, *, means: Sequence[float] | Array = _MEANS, sd: float = 0.01
    ) -> None:
        self.delta = one_number(delta, name="Wheel.delta", low=0.0, high=1.0)
        self.means = one_per_arm(means, name="Wheel.means")
        if self.means.size != 3 or not self.means[1] < self.means[0] < self.means[2]:
            raise InvalidParameter(
                f"Wheel.means = {means!r}, expected three numbers: the safe arm's, a smaller one "
                "for the other arms, and a larger one for the right arm outside"
            )
        self.sd = one_number(sd, name="Wheel.sd", low=0.0)

    def parameters(self) -> dict[str, Any]:
        """Radius, means and standard deviation."""
        return {"delta": self.delta, "means": self.means.tolist(), "sd": self.sd}

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """Two uniform numbers for the context and a normal one for the noise."""
        context_rng, noise_rng = rng.spawn(2)
        for size in sizes:
            u = context_rng.random((size, replications, 2))
            radius = np.sqrt(u[..., 0])
            angle = 2.0 * np.pi * u[..., 1]
            contexts = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
            means = self._means(contexts, radius)
            noise = self.sd * noise_rng.standard_normal((size, replications, 1))
            yield Rounds(rewards=means + noise, means=means, best=means.max(-1), contexts=contexts)

    def _means(self, contexts: Array, radius: Array) -> Array:
        safe, poor, great = self.means
        means = np.full((*radius.shape, self.n_arms), poor)
        means[..., 0] = safe
        quadrant = 1 + 2 * (contexts[..., 0] <= 0.0) + (contexts[..., 1] <= 0.0)
        outside = radius > self.delta
        means[(*np.nonzero(outside), quadrant[outside])] = great
        return means

    def __repr__(self) -> str:
        return f"Wheel(delta={self.delta:g}, sd={self.sd:g})"
