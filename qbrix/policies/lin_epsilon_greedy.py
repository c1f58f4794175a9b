"""ε-greedy over a ridge regression per arm."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.checks import param
from qbrix.policies._counts import share, uniform
from qbrix.policies._linear import LinearPolicy, Ridge
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray

__all__ = ["LinEpsilonGreedyPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinEpsilonGreedyPolicy(LinearPolicy):
    r"""Explore uniformly with probability ε, else exploit the arm of the largest expected reward.

    .. math::

        p_a = \frac{\varepsilon}{K} + (1 - \varepsilon)
            \frac{[x^\top \hat\theta_a = \max_b x^\top \hat\theta_b]}{\#\text{best}}, \qquad
        \hat\theta_a = \Bigl(\lambda I + \sum x x^\top\Bigr)^{-1} \sum r x

    Sums run over the observations of arm a; an arm without any is expected to pay 0. Estimates that
    tie share evenly, and exploration is uniform over *all* allowed arms.

    Parameters
    ----------
    eps : float in [0, 1], default 0.1
        Share of exploring decisions.
    prior_precision : float > 0, default 1
        :math:`\lambda` of the ridge.

    Examples
    --------
    >>> import numpy as np
    >>> policy = LinEpsilonGreedyPolicy(eps=0.2)
    >>> sums = {"precision": np.zeros((2, 1)), "moment": np.array([[0.0], [3.0]])}
    >>> prepared = policy.prepare(policy.state_type(**sums, pulls=np.array([0.0, 1.0])))
    >>> policy.propensities(prepared, np.array([1.0]))
    array([0.1, 0.9])

    Notes
    -----
    With a constant ε regret is linear; an exploration of the order :math:`t^{-1/3}` has regret
    :math:`O(T^{2/3})`. *Applies when* the log must support every arm (no propensity below
    :math:`\varepsilon / K`), or as the baseline that a better policy has to beat. Delayed or
    batched feedback delays the estimates and nothing else.

    References
    ----------
    Langford and Zhang (2007), *The Epoch-Greedy Algorithm for Contextual Multi-armed Bandits*, for
    exploring in contexts. Li, Chu, Langford and Schapire (2010), *A
    Contextual-Bandit Approach to Personalized News Article Recommendation*, section 5.2, where it
    is a baseline.
    """

    eps: float = param(0.1, gte=0, lte=1, doc="share of exploring decisions")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="closed",
        category="contextual",
        propensities_cost="K d",
        update_cost="d^2",
    )

    def propensities(
        self, prepared: Ridge, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        expected = self.expected(prepared, context)
        greedy = share(expected, mask)
        law: Array = self.eps * uniform(expected.shape, mask) + (1.0 - self.eps) * greedy
        return law
