"""Hedge, with estimated losses where a bandit does not see them."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.checks import param
from qbrix.policies._weighted import Losses, add_losses, merged, softmax
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["HedgePolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HedgePolicy(Policy[Losses, Losses]):
    r"""Choose in proportion to the exponential of each arm's total loss, as far as it is known.

    .. math::

        p_a \propto e^{-\eta L_a}, \qquad L_a = \sum_{s : a_s = a} \frac{1 - r_s}{p_s}

    Hedge was made for full information, where the loss of *every* arm is seen in every round. A
    bandit sees one. This policy puts the unbiased estimate of each loss, loss over logged
    propensity, in its place: in expectation over the choices the sums are those of Hedge, single
    sums are far noisier. There is no uniform exploration and no falling rate.

    Parameters
    ----------
    eta : float > 0, default 0.1
        Learning rate. :math:`\sqrt{2 \ln K / (K T)}` for a known horizon T.

    Examples
    --------
    >>> import numpy as np
    >>> policy = HedgePolicy(eta=1.0)
    >>> state = Losses(pulls=np.array([2.0, 1.0]), weighted_loss=np.log([4.0, 1.0]))
    >>> policy.propensities(state)
    array([0.2, 0.8])

    Notes
    -----
    Expected regret :math:`\le \ln K / \eta + \eta K T / 2`, which is :math:`\sqrt{2 K T \ln K}`
    with the rate above; full information would have :math:`\sqrt{(T \ln K) / 2}`. *Applies when*
    rewards lie in [0, 1] and T is known when the rate is chosen. A delay of d rounds adds the order
    of :math:`\eta d T`.

    References
    ----------
    Freund and Schapire (1997), *A Decision-Theoretic Generalization of On-Line Learning*, figure 1,
    for Hedge. Bubeck and Cesa-Bianchi (2012), *Regret Analysis of Stochastic and Nonstochastic
    Multi-armed Bandit Problems*, Theorem 3.1, for estimated losses.
    """

    eta: float = param(0.1, gt=0, doc="learning rate")

    state_type = Losses
    capabilities = Capabilities(order_free=True, propensity="closed", category="adversarial")

    def propensities(
        self, prepared: Losses, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        return softmax(-self.eta * prepared.weighted_loss, mask)

    def update_in_place(self, state: Losses, batch: Interactions) -> None:
        """Add each loss over its logged propensity."""
        add_losses(state, batch)

    def merge(self, a: Losses, b: Losses) -> Losses:
        """Sums add."""
        return merged(a, b)
