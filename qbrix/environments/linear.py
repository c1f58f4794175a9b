"""Rewards that are linear in a random context, with Gaussian noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments._contexts import (
    ContextLaw,
    check_law,
    draw_contexts,
    inner_products,
    unit,
)
from qbrix.environments._numbers import one_number, table
from qbrix.environments.base import Environment, Rounds
from qbrix.rng import stream
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["LinearContextual"]


class LinearContextual(Environment):
    """Arm ``k`` pays a linear function of the context, plus noise.

    .. math:: r_{t,k} = x_t \\cdot \\theta_k + \\sigma \\epsilon_t, \\quad \\epsilon_t \\sim N(0, 1)

    Parameters
    ----------
    weights : array of shape (K, d)
        The vectors θ, one row per arm.
    contexts : {"gaussian", "sphere"}, default "gaussian"
        Law of ``x``: independent standard normal features, or uniform on the unit sphere.
    noise : float >= 0, default 0.1
        Standard deviation σ.

    Examples
    --------
    >>> environment = LinearContextual([[1.0, 0.0], [0.0, 1.0]], noise=0.0)
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=3, horizon=1))
    >>> rounds.contexts.shape, bool((rounds.rewards == rounds.contexts).all())
    ((1, 3, 2), True)

    Notes
    -----
    The noise of a round is shared by its arms: of one round a policy sees one arm only.
    """

    reward: RewardSupport = "continuous"

    def __init__(
        self,
        weights: Sequence[Sequence[float]] | Array,
        *,
        contexts: ContextLaw = "gaussian",
        noise: float = 0.1,
    ) -> None:
        self.weights = table(weights, name="LinearContextual.weights", rows="arm")
        self.contexts = check_law(contexts, owner="LinearContextual")
        self.noise = one_number(noise, name="LinearContextual.noise", low=0.0)
        self.n_arms, self.dim = self.weights.shape

    @classmethod
    def example(cls) -> Self:
        """Four arms over three features."""
        return cls.random(n_arms=4, dim=3, seed=5)

    @classmethod
    def random(
        cls,
        *,
        n_arms: int,
        dim: int,
        seed: int = 0,
        contexts: ContextLaw = "gaussian",
        noise: float = 0.1,
    ) -> Self:
        """An instance whose θ are drawn uniformly from the unit sphere."""
        weights = stream(seed, "LinearContextual", "weights").standard_normal((n_arms, dim))
        return cls(unit(weights), contexts=contexts, noise=noise)

    def parameters(self) -> dict[str, Any]:
        """Weights, law of the contexts and noise."""
        return {
            "weights": self.weights.tolist(),
            "contexts": self.contexts,
            "noise": self.noise,
        }

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """d normal numbers for the context and one for the noise, from a generator each."""
        context_rng, noise_rng = rng.spawn(2)
        for size in sizes:
            contexts = draw_contexts(
                context_rng, self.contexts, size=size, replications=replications, dim=self.dim
            )
            means = inner_products(contexts, self.weights)
            noise = self.noise * noise_rng.standard_normal((size, replications, 1))
            yield Rounds(rewards=means + noise, means=means, best=means.max(-1), contexts=contexts)

    def __repr__(self) -> str:
        return (
            f"LinearContextual(n_arms={self.n_arms}, dim={self.dim}, "
            f"contexts={self.contexts!r}, noise={self.noise:g})"
        )
