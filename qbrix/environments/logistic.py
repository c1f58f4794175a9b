"""Clicks whose probability is a logistic function of a random context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments._contexts import (
    ContextLaw,
    check_law,
    draw_contexts,
    inner_products,
    unit,
)
from qbrix.environments._numbers import one_per_arm, table
from qbrix.environments.base import Environment, Rounds
from qbrix.rng import stream
from qbrix.support import RewardSupport

__all__ = ["Logistic"]


class Logistic(Environment):
    """Arm ``k`` is clicked with a probability that is logistic in the context.

    .. math:: P(r_{t,k} = 1 \\mid x_t) = 1 / (1 + e^{-(b_k + x_t \\cdot \\theta_k)})

    Every context ends with a constant 1, so that a policy can learn the intercepts: d = d' + 1.

    Parameters
    ----------
    weights : array of shape (K, d')
        The vectors θ, one row per arm.
    intercepts : float or K of them, default 0
        b; −3 stands for a click rate of about 5 %.
    contexts : {"gaussian", "sphere"}, default "gaussian"
        Law of the random features: independent standard normal, or uniform on the unit sphere.

    Examples
    --------
    >>> environment = Logistic([[0.0], [0.0]], intercepts=[0.0, -3.0])
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=1, horizon=1))
    >>> rounds.means.round(4).tolist()
    [[[0.5, 0.0474]]]

    Notes
    -----
    One uniform number per round decides for all arms, as in `Bernoulli`.

    References
    ----------
    Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*, section 4, for clicks
    as a logistic regression.
    """

    reward: RewardSupport = "binary"

    def __init__(
        self,
        weights: ArrayLike,
        *,
        intercepts: ArrayLike = 0.0,
        contexts: ContextLaw = "gaussian",
    ) -> None:
        self.weights = table(weights, name="Logistic.weights", rows="arm")
        self.n_arms = len(self.weights)
        self.dim = self.weights.shape[1] + 1
        self.intercepts = one_per_arm(intercepts, name="Logistic.intercepts", n_arms=self.n_arms)
        self.contexts = check_law(contexts, owner="Logistic")

    @classmethod
    def example(cls) -> Self:
        """Three arms over two features."""
        return cls([[1.0, -1.0], [0.0, 2.0], [-1.0, 0.5]], intercepts=[-1.0, -1.5, 0.0])

    @classmethod
    def random(
        cls,
        *,
        n_arms: int,
        dim: int,
        seed: int = 0,
        strength: float = 2.0,
        intercept: float = -1.0,
    ) -> Self:
        """An instance whose θ are drawn uniformly from the sphere of radius ``strength``."""
        weights = stream(seed, "Logistic", "weights").standard_normal((n_arms, dim))
        return cls(strength * unit(weights), intercepts=intercept)

    def parameters(self) -> dict[str, Any]:
        """Weights, intercepts and law of the contexts."""
        return {
            "weights": self.weights.tolist(),
            "intercepts": self.intercepts.tolist(),
            "contexts": self.contexts,
        }

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """d normal numbers for the context and a uniform one for the clicks."""
        from scipy.special import expit

        context_rng, click_rng = rng.spawn(2)
        for size in sizes:
            features = draw_contexts(
                context_rng, self.contexts, size=size, replications=replications, dim=self.dim - 1
            )
            means = expit(self.intercepts + inner_products(features, self.weights))
            u = click_rng.random((size, replications, 1))
            yield Rounds(
                rewards=(u < means).astype(np.float64),
                means=means,
                best=means.max(-1),
                contexts=np.concatenate([features, np.ones((*u.shape[:2], 1))], axis=-1),
            )

    def __repr__(self) -> str:
        return f"Logistic(n_arms={self.n_arms}, dim={self.dim}, contexts={self.contexts!r})"
