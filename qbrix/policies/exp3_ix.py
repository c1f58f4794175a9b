"""EXP3-IX: exponential weights with implicit exploration."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.checks import param
from qbrix.policies._weighted import Losses, add_losses, merged, softmax
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["EXP3IXPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP3IXPolicy(Policy[Losses, Losses]):
    r"""Exponential weights over losses that are estimated a little too small, on purpose.

    .. math::

        p_a \propto e^{-\eta L_a}, \qquad L_a = \sum_{s : a_s = a} \frac{1 - r_s}{p_s + \gamma}

    The bias γ keeps an estimate below 1/γ, so that no single event throws the policy about; as it
    is largest for arms that are rarely chosen, it explores without mixing anything in.

    Parameters
    ----------
    gamma : float in (0, 1], default 0.1
        Added to the logged propensity. It acts when a reward is learned: after a change, what was
        summed before keeps its old bias.
    eta : float in (0, 1], default 0.1
        Learning rate; acts on the whole sum at once. For a known horizon T the paper takes
        :math:`\eta = 2 \gamma = \sqrt{2 \ln K / (K T)}`.

    Examples
    --------
    >>> import numpy as np
    >>> policy = EXP3IXPolicy(eta=0.5)
    >>> state = Losses(
    ...     pulls=np.array([3.0, 0.0]), weighted_loss=np.array([2.0 * np.log(3.0), 0.0])
    ... )
    >>> policy.propensities(state)
    array([0.25, 0.75])

    Notes
    -----
    Regret against the best fixed arm of the order of :math:`\sqrt{K T \ln K}` with high
    probability, not only in expectation, with the rates above. *Applies when* rewards lie in
    [0, 1], even if an adversary chose them. Delay and batches cost it what they cost EXP3; a loss
    is weighted by the propensity of its own decision, however late it arrives.

    References
    ----------
    Neu (2015), *Explore no more: Improved high-probability regret bounds for non-stochastic
    bandits*, Algorithm 1 and Theorem 1.
    """

    gamma: float = param(0.1, gt=0, lte=1, doc="bias added to every propensity")
    eta: float = param(0.1, gt=0, lte=1, doc="learning rate")

    state_type = Losses
    capabilities = Capabilities(order_free=True, propensity="closed", category="adversarial")

    def propensities(
        self, prepared: Losses, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        return softmax(-self.eta * prepared.weighted_loss, mask)

    def update_in_place(self, state: Losses, batch: Interactions) -> None:
        """Add each loss over its logged propensity plus gamma."""
        add_losses(state, batch, bias=self.gamma)

    def merge(self, a: Losses, b: Losses) -> Losses:
        """Sums add."""
        return merged(a, b)
