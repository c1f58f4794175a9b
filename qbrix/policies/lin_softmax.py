"""Boltzmann exploration over a ridge regression per arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import allowed
from qbrix.policies._linear import LinearPolicy, Ridge
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray

__all__ = ["LinSoftmaxPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinSoftmaxPolicy(LinearPolicy):
    r"""Choose in proportion to the exponential of each arm's expected reward in this context.

    .. math::

        p_a = \frac{e^{x^\top \hat\theta_a / \tau}}{\sum_b e^{x^\top \hat\theta_b / \tau}}, \qquad
        \hat\theta_a = \Bigl(\lambda I + \sum x x^\top\Bigr)^{-1} \sum r x

    Sums run over the observations of arm a; an arm without any is expected to pay 0.

    Parameters
    ----------
    temperature : float > 0, default 0.1
        τ, in the unit of the rewards: an expectation that is τ larger is e times as likely. Large
        is uniform, small is greedy.
    prior_precision : float > 0, default 1
        :math:`\lambda` of the ridge.

    Examples
    --------
    >>> policy = LinSoftmaxPolicy(temperature=0.5)
    >>> sums = {"precision": np.zeros((2, 1)), "moment": np.array([[0.0], [np.log(3.0) / 2]])}
    >>> prepared = policy.prepare(policy.state_type(**sums, pulls=np.array([0.0, 1.0])))
    >>> policy.propensities(prepared, np.array([1.0]))
    array([0.25, 0.75])

    Notes
    -----
    It looks at expectations, not at how well they are known: with a constant temperature regret is
    linear, and an arm that disappointed early stays rare. *Applies when* the log must support every
    arm, worse arms should appear more rarely than in ε-greedy, and propensities should move
    smoothly with the context. Delayed or batched feedback delays the estimates and nothing else.

    References
    ----------
    Luce (1959), *Individual Choice Behavior*. Cesa-Bianchi, Gentile, Lugosi and Neu (2017),
    *Boltzmann Exploration Done Right*, section 3, for what it cannot do.
    """

    temperature: float = param(
        0.1, gt=0, doc="difference of expected rewards that is worth a factor of e"
    )
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
        scores = allowed(self.expected(prepared, context), mask)
        weights = np.exp((scores - scores.max(-1, keepdims=True)) / self.temperature)
        law: Array = weights / weights.sum(-1, keepdims=True)
        return law
