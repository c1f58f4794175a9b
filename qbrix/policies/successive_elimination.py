"""Successive elimination: an arm is out when it is plainly worse than the best one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, pick, share
from qbrix.policies._elementary import natural_log
from qbrix.policies._evidence import LAST, observed_means
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities
from qbrix.policies.identification import IdentificationPolicy, check_confidence
from qbrix.state import array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["SuccessiveEliminationPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contest(Rewards):
    """Counts and sums, and which arms are out."""

    out: BoolArray = array("K", dtype="bool")


@dataclass(frozen=True, kw_only=True, slots=True)
class SuccessiveEliminationPolicy(IdentificationPolicy[Contest, Contest]):
    r"""Observe all arms equally; eliminate those whose mean is two radii below the largest.

    .. math:: \hat\mu_{\max} - \hat\mu_a \ge 2 \alpha_t, \qquad
        \alpha_t = \sqrt{\frac{\ln(c K t^2 / \delta)}{t}}

    t is the number of observations of every arm that is left, δ = 1 − confidence. Arms that are
    left take turns in an order that is drawn for every turn. It stops when one of them is left,
    which it recommends and chooses from then on.

    Parameters
    ----------
    confidence : float in (0, 1), default 0.95
        Least probability that no elimination is wrong. It stops for no higher confidence.
    c : float > 0, default 4
        Constant in the radius; from 3.3 on the error is proved to be at most δ.

    Examples
    --------
    >>> policy = SuccessiveEliminationPolicy()
    >>> state = policy.init(n_arms=2)
    >>> policy.propensities(state), bool(policy.stopped(state, confidence=0.95))
    (array([0.5, 0.5]), False)

    Notes
    -----
    With a probability of at least 1 − δ it finds the best arm, after
    :math:`O(\sum_a \Delta_a^{-2} \ln(K / (\delta \Delta_a)))` observations. The radius is made for
    the proof: policies that follow a likelihood ratio stop many times earlier. *Applies when*
    rewards of an arm are independent in [0, 1] with a fixed mean. Feedback that arrives late leaves
    the counts unequal for a while; an arm is then compared by its own radius.

    References
    ----------
    Even-Dar, Mannor and Mansour (2006), *Action Elimination and Stopping Conditions for the
    Multi-Armed Bandit and Reinforcement Learning Problems*, Algorithm 3 and Theorem 8.
    """

    confidence: float = param(
        0.95, gt=0, lt=1, doc="probability that no elimination is wrong", structural=True
    )
    c: float = param(4.0, gt=0, doc="constant in the radius", structural=True)

    state_type = Contest
    capabilities = Capabilities(propensity="one-hot", goal="identification", update_cost="K")

    def propensities(
        self, prepared: Contest, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Even among those left that were observed least, shape (..., K)."""
        return share(_scores(prepared), mask)

    def advance(self, prepared: Contest, state: Contest, batch: Interactions) -> Contest:
        """The state itself."""
        return state

    def sample(
        self,
        prepared: Contest,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One of those left that were observed least, one per leading index."""
        return pick(_scores(prepared), mask=mask, rng=rng)

    def update_in_place(self, state: Contest, batch: Interactions) -> None:
        """Count, and compare the arms when the last of them has been observed."""
        pulls, total, out = rows(state.pulls), rows(state.total_reward), rows(state.out)
        for event in events(batch):
            cell = (event.at, event.arm)
            pulls[cell] += 1.0
            total[cell] += event.reward
            fewest = np.where(out[event.at], np.inf, pulls[event.at]).min(-1)
            due = event.at[(pulls[cell] == fewest) & ~out[cell]]
            out[due] |= self._worse(pulls[due], total[due], out[due])

    def merits(self, state: Contest) -> Array:
        """Mean rewards of the arms that are left, shape (..., K)."""
        return np.where(state.out, -np.inf, observed_means(state.pulls, state.total_reward))

    def stopped(self, state: Contest, *, confidence: float) -> BoolArray:
        """Whether one arm is left and no more than the own confidence is asked for."""
        check_confidence(confidence)
        alone: BoolArray = (~state.out).sum(-1) == 1
        return alone & (confidence <= self.confidence)

    def _worse(self, pulls: Array, total: Array, out: BoolArray) -> BoolArray:
        """Arms whose upper end lies no higher than the highest lower end of those left."""
        n_arms = pulls.shape[-1]
        n = np.maximum(pulls, 1.0)
        constant = np.array(self.c * n_arms / (1.0 - self.confidence))
        radius = np.sqrt((natural_log(constant) + 2.0 * natural_log(n)) / n)
        mean = total / n
        lower = np.where(out, -np.inf, mean - radius).max(-1, keepdims=True)
        worse: BoolArray = mean + radius <= lower
        return worse


def _scores(state: Contest) -> Array:
    """Minus the observations; those who are out come last of all."""
    return np.where(state.out, LAST, -state.pulls)
