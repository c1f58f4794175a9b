"""Greedy choice by sample averages, with an initial value and, if wanted, a little exploration."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.checks import param
from qbrix.policies._counts import Rewards, share, uniform
from qbrix.policies._exploiting import means
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray

__all__ = ["GreedyPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GreedyPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose the arm with the largest mean reward; an unobserved arm has an assumed one.

    .. math::

        p_a = \frac{\varepsilon}{K}
            + (1 - \varepsilon) \frac{[Q_a = \max_b Q_b]}{\#\text{best}}, \qquad
        Q_a = \hat\mu_a \text{ or } Q_0 \text{ where nothing was observed}

    No arm is tried for being unobserved; values that tie share evenly.

    Parameters
    ----------
    initial_value : float, default 0
        :math:`Q_0`, value of an unobserved arm.
    eps : float in [0, 1], default 0
        Share of decisions that are uniform over all allowed arms; 0 is greedy.

    Examples
    --------
    >>> policy = GreedyPolicy()
    >>> policy.propensities(policy.init(n_arms=4))
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    Greedy regret is linear: with positive rewards it stays for ever with the first arm that paid.
    With exploration it is :math:`\varepsilon T (\mu^* - \bar\mu)` in the long run. It is the book's
    yardstick; `EpsilonPolicy` observes every arm once instead of assuming a value. *Applies when*
    contexts or noise explore for it. Between two updates it repeats one arm.

    References
    ----------
    Sutton and Barto (2018), *Reinforcement Learning: An Introduction*, 2nd edition, sections 2.2
    and 2.3 and the box in section 2.4.
    """

    initial_value: float = param(0.0, doc="value of an unobserved arm")
    eps: float = param(0.0, gte=0, lte=1, doc="share of exploring decisions")

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="closed")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        exploit = share(means(prepared, otherwise=self.initial_value), mask)
        return self.eps * uniform(exploit.shape, mask) + (1.0 - self.eps) * exploit
