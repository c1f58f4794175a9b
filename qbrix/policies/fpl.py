"""Follow the perturbed leader, with the exact probability of every arm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss

from qbrix.checks import param
from qbrix.policies._counts import Cells, allowed
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["FPLPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedSums(State):
    """Sums of 1/p and r/p over the observations of each arm, and the largest reward of any."""

    weight: Array = array("K")
    weighted_reward: Array = array("K")
    largest_reward: Array = array()


@dataclass(frozen=True, kw_only=True, slots=True)
class FPLPolicy(Policy[WeightedSums, WeightedSums]):
    r"""Choose the arm that leads after every total was lifted by a random amount.

    .. math::

        A = \arg\max_a \{ Z_a - L_a \}, \qquad P(Z_a > z) = e^{-z / \eta}, \qquad
        L_a = \sum_{s : a_s = a} \frac{r^{\max} - r_s}{p_s}

    :math:`r^{\max}` is the largest reward observed so far: losses are counted from there, so that
    adding a constant to all rewards changes nothing and no upper bound need be known. For rewards
    that reach 1 these are the losses :math:`1 - r` of the literature.

    With :math:`c_a = e^{-(L_a - \min_b L_b) / \eta}` the probabilities are

    .. math:: p_a = c_a \int_0^1 \prod_{b \ne a} (1 - c_b u) \, du ,

    the integral of a polynomial of degree K − 1, which Gauss's rule with K/2 points gives exactly.
    So the logged propensity is the law of the choice; nothing is estimated by drawing again.

    Parameters
    ----------
    eta : float > 0, default 5
        Mean of the perturbation, in the unit of the rewards; its inverse is the learning rate. For
        a known horizon T and rewards in [0, 1], :math:`\sqrt{K T / \ln K}`.

    Examples
    --------
    An arm that is behind by η ln 2 wins with probability 1/4, half of its c:

    >>> policy = FPLPolicy(eta=1.0)
    >>> state = WeightedSums(
    ...     weight=np.array([1.0, np.log(2.0)]), weighted_reward=np.array([1.0, 0.0]),
    ...     largest_reward=np.array(1.0),
    ... )
    >>> policy.propensities(state)
    array([0.75, 0.25])

    Notes
    -----
    Expected regret of the order of :math:`\sqrt{K T \ln K}` with the eta above. *Applies when*
    rewards are bounded, even if an adversary chose them; for unbounded ones it is defined and
    promises nothing. An arm far behind keeps a probability of about :math:`e^{-L/\eta}`, so its
    estimates vary wildly: set eta by the size of the rewards. A delay of d rounds adds the order of
    :math:`\sqrt{d T \ln K}`.

    References
    ----------
    Kalai and Vempala (2005), *Efficient Algorithms for Online Decision Problems*. Neu and Bartók
    (2016), *Importance Weighting Without Importance Weights: An Efficient Algorithm for
    Combinatorial Semi-Bandits*, for exponential perturbations of estimated losses.
    """

    eta: float = param(5.0, gt=0, doc="mean of the perturbation, in the unit of the rewards")

    state_type = WeightedSums
    capabilities = Capabilities(
        reward="continuous",
        order_free=True,
        propensity="closed",
        category="adversarial",
        propensities_cost="K^2",
    )

    def propensities(
        self, prepared: WeightedSums, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        score = allowed(-self._losses(prepared) / self.eta, mask)
        return _race(np.exp(score - score.max(-1, keepdims=True)))

    def update_in_place(self, state: WeightedSums, batch: Interactions) -> None:
        """Add 1/p and r/p and remember the largest reward."""
        seen = (state.weight > 0.0).any(-1)
        real = batch.arms >= 0
        new = np.where(real, batch.rewards, -np.inf).max(-1, initial=-np.inf)
        known = np.where(seen, state.largest_reward, -np.inf)
        state.largest_reward[...] = np.where(seen | real.any(-1), np.maximum(known, new), 0.0)
        cells = Cells.of(batch, state.weight.shape[-1])
        logged = cells.column(batch.propensities)
        cells.add(state.weight, 1.0 / logged)
        cells.add(state.weighted_reward, cells.column(batch.rewards) / logged)

    def merge(self, a: WeightedSums, b: WeightedSums) -> WeightedSums:
        """Sums add; the largest reward is that of the history that has one."""
        largest = [np.where((s.weight > 0.0).any(-1), s.largest_reward, -np.inf) for s in (a, b)]
        both = np.maximum(*largest)
        return WeightedSums(
            weight=a.weight + b.weight,
            weighted_reward=a.weighted_reward + b.weighted_reward,
            largest_reward=np.where(np.isfinite(both), both, 0.0),
        )

    def sample(
        self,
        prepared: WeightedSums,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The perturbed leader, one per leading index."""
        losses = self._losses(prepared)
        score = allowed(rng.exponential(self.eta, losses.shape) - losses, mask)
        best: IntArray = score.argmax(-1)
        return best

    def _losses(self, state: WeightedSums) -> Array:
        losses: Array = state.largest_reward[..., None] * state.weight - state.weighted_reward
        return losses


def _race(c: Array) -> Array:
    """c_a ∫ Π_{b≠a} (1 − c_b u) du over [0, 1], divided by the sum, which is 1 to rounding."""
    law = np.zeros(c.shape)
    for point, weight in zip(*_rule((c.shape[-1] + 1) // 2), strict=True):
        below = 1.0 - c * point
        law += c * (weight * below.prod(-1, keepdims=True)) / below
    law /= law.sum(-1, keepdims=True)
    return law


@lru_cache(maxsize=64)
def _rule(points: int) -> tuple[list[float], list[float]]:
    """Gauss points in (0, 1) and their weights, exact for polynomials of degree 2 points − 1."""
    nodes, weights = leggauss(points)
    return ((nodes + 1.0) / 2.0).tolist(), (weights / 2.0).tolist()
