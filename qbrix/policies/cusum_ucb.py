"""CUSUM-UCB: an upper confidence bound that starts over for an arm whose mean has moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, share, uniform
from qbrix.policies._in_order import events, rows
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["CUSUMUCBPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walks(Rewards):
    """Counts and sums since the last alarm of each arm, and the two walks that raise the next.

    ``first_reward`` sums the observations of the warm-up; ``alarms`` counts alarms for ever.
    """

    first_reward: Array = array("K")
    rise: Array = array("K")
    fall: Array = array("K")
    alarms: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class CUSUMUCBPolicy(IndexPolicy[Walks]):
    r"""Upper confidence bounds with uniform exploration; an alarm forgets what its arm has paid.

    .. math::

        p_a = \frac{\alpha}{K} + (1 - \alpha) \frac{[U_a = \max_b U_b]}{\#\text{best}}, \qquad
        U_a = \hat\mu_a + \sqrt{\frac{\xi \ln n}{N_a}}, \quad n = \sum_b N_b

    Counts and means are since the arm's last alarm. The mean of its first M observations is the
    reference :math:`\hat u`; every later one moves two walks that start from 0,

    .. math::

        g^+ \leftarrow (g^+ + r - \hat u - \varepsilon)^+, \qquad
        g^- \leftarrow (g^- + \hat u - r - \varepsilon)^+,

    and the first to reach h is an alarm: the arm is as unobserved again.

    Parameters
    ----------
    warm_up : int >= 1, default 100
        M, observations behind the reference. Another M needs a reset.
    drift : float >= 0, default 0.1
        ε, change of the mean that is tolerated.
    threshold : float > 0, default 10
        h; :math:`\ln(T / \Upsilon)` for Υ changes in T rounds, at least.
    alpha : float in [0, 1], default 0.05
        Share of uniform exploration, without which a change of an arm that lies idle goes unseen;
        :math:`\sqrt{\Upsilon \ln(T / \Upsilon) / T}`.
    xi : float > 0, default 1
        Width of the bound.

    Examples
    --------
    A reference of 0, then two ones with ε = ½: the walk reaches 1 = h, and the arm starts over.

    >>> policy = CUSUMUCBPolicy(warm_up=1, drift=0.5, threshold=1.0)
    >>> batch = Interactions(
    ...     arms=np.zeros(3, dtype=np.int64), rewards=np.array([0.0, 1.0, 1.0]),
    ...     propensities=np.ones(3), state_versions=np.zeros(3, dtype=np.int64),
    ... )
    >>> state = policy.update(policy.init(n_arms=2), batch)
    >>> state.alarms, state.pulls
    (array([1., 0.]), array([0., 0.]))

    Notes
    -----
    Regret against the best arm of each round :math:`O(\sqrt{T \Upsilon \ln(T / \Upsilon)})` with
    the values above. *Applies when* Bernoulli means jump, by more than about 3ε, and seldom enough
    that M observations of each arm fit between two jumps. Time is counted in observations: delay
    shifts an alarm, and a batch of b rows may hold b decisions made before it.

    References
    ----------
    Liu, Lee and Shroff (2018), *A Change-Detection Based Framework for Piecewise-Stationary
    Multi-Armed Bandit Problem*, Algorithms 1 and 2. Page (1954), *Continuous Inspection
    Schemes*.
    """

    warm_up: int = param(100, gte=1, doc="observations behind the reference", structural=True)
    drift: float = param(0.1, gte=0, doc="change of the mean that is tolerated")
    threshold: float = param(10.0, gt=0, doc="height of a walk that is an alarm")
    alpha: float = param(0.05, gte=0, lte=1, doc="share of uniform exploration")
    xi: float = param(1.0, gt=0, doc="width of the confidence bound")

    state_type = Walks
    capabilities = Capabilities(propensity="closed")

    def index(self, state: Walks, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Mean since the last alarm plus its padding, shape (..., K)."""
        width: Array = np.sqrt(self.xi * np.log(np.maximum(t - 1.0, 1.0)) / pulls)
        return mean + width

    def propensities(
        self, prepared: Array, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        exploit = share(prepared, mask)
        return self.alpha * uniform(exploit.shape, mask) + (1.0 - self.alpha) * exploit

    def sample(
        self,
        prepared: Array,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One arm per leading index, drawn from the probabilities."""
        return Policy.sample(self, prepared, context, mask=mask, rng=rng)

    def update_in_place(self, state: Walks, batch: Interactions) -> None:
        """Count, move the walks of the observed arm, and start it over after an alarm."""
        pulls, total, first = (
            rows(array) for array in (state.pulls, state.total_reward, state.first_reward)
        )
        rise, fall, alarms = (rows(array) for array in (state.rise, state.fall, state.alarms))
        for event in events(batch):
            cell = (event.at, event.arm)
            pulls[cell] += 1.0
            total[cell] += event.reward
            warming = pulls[cell] <= self.warm_up
            first[cell] += np.where(warming, event.reward, 0.0)
            moved = np.where(warming, 0.0, event.reward - first[cell] / self.warm_up)
            rise[cell] = np.maximum(0.0, rise[cell] + moved - self.drift)
            fall[cell] = np.maximum(0.0, fall[cell] - moved - self.drift)
            alarm = np.maximum(rise[cell], fall[cell]) >= self.threshold
            if alarm.any():
                heard = (event.at[alarm], event.arm[alarm])
                alarms[heard] += 1.0
                for array in (pulls, total, first, rise, fall):
                    array[heard] = 0.0

    def merge(self, a: Walks, b: Walks) -> Walks:
        """Refused: which history is the older one is not in the states."""
        return Policy.merge(self, a, b)
