"""RegCB by elimination, over a ridge regression per arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import allowed, tied
from qbrix.policies._linear import LinearPolicy, Ridge
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray

__all__ = ["RegCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegCBPolicy(LinearPolicy):
    r"""Choose uniformly among the arms that could still be the best in this context.

    .. math::

        p_a = \frac{[a \in \mathcal A]}{|\mathcal A|}, \qquad
        \mathcal A = \{a : \mathrm{high}_a \ge \max_b \mathrm{low}_b\}

    high and low are the largest and smallest expected reward under regressions whose penalised
    squared error exceeds the smallest one by at most β. For a ridge regression per arm they are

    .. math::

        x^\top \hat\theta_a \pm \sqrt{\beta} \sqrt{x^\top A_a^{-1} x}, \qquad
        A_a = \lambda I + \sum x x^\top, \quad \hat\theta_a = A_a^{-1} \sum r x

    where sums run over the observations of arm a. The optimistic variant of the paper chooses the
    largest high; with these bounds it is `LinUCBPolicy` with :math:`\alpha = \sqrt\beta`.

    Parameters
    ----------
    beta : float >= 0, default 1
        Excess of squared error up to which a regression is believed. Large explores; the analysis
        asks for the order of :math:`d \ln T`, the paper tunes it by powers of 10.
    prior_precision : float > 0, default 1
        :math:`\lambda` of the ridge.

    Examples
    --------
    >>> policy = RegCBPolicy(beta=0.25)
    >>> sums = {"precision": np.zeros((3, 1)), "moment": np.array([[0.0], [0.5], [1.5]])}
    >>> prepared = policy.prepare(policy.state_type(**sums, pulls=np.array([0.0, 1.0, 1.0])))
    >>> policy.propensities(prepared, np.array([1.0]))
    array([0. , 0.5, 0.5])

    Notes
    -----
    Regret is small where few arms survive (a bounded disagreement coefficient); without such luck
    the worst case is that of uniform choice. *Applies when* the expected reward of every arm is
    linear in the context. The paper refits in epochs of doubling length; here every decision uses
    all that was learned. Within a batch it goes on choosing among the survivors, so delay costs it
    less than a policy of one best index.

    References
    ----------
    Foster, Agarwal, Dudík, Luo and Schapire (2018), *Practical Contextual Bandits with Regression
    Oracles*, section 3: RegCB by elimination and optimistic RegCB.
    """

    beta: float = param(1.0, gte=0, doc="excess squared error up to which a regression is believed")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="closed",
        category="contextual",
        propensities_cost="K d^2",
        update_cost="d^2",
    )

    def propensities(
        self, prepared: Ridge, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Equal probability of every arm that survives, shape (..., K)."""
        low, high = self.bounds(prepared, context)
        survives = tied(allowed(high, mask), allowed(low, mask).max(-1))
        law: Array = survives / survives.sum(-1, keepdims=True)
        return law

    def bounds(self, prepared: Ridge, context: Array | None) -> tuple[Array, Array]:
        """Smallest and largest believable reward of every arm, both (..., K)."""
        mean, width = self.estimate(prepared, context)
        reach = np.sqrt(self.beta) * width
        return mean - reach, mean + reach
