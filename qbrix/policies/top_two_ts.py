"""Top-two Thompson sampling: half of the time the best arm's strongest challenger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._evidence import certain, observed_means
from qbrix.policies.base import Capabilities, Policy
from qbrix.policies.beta_ts import BetaTSPolicy, Outcomes
from qbrix.policies.identification import IdentificationPolicy
from qbrix.types import Array, BoolArray

__all__ = ["TopTwoTSPolicy"]

_RESOLVED = 1e-6
"""Added to the probability of every challenger: below it quadrature has too few digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopTwoTSPolicy(BetaTSPolicy, IdentificationPolicy[Outcomes, Outcomes]):
    r"""Choose a draw from the posterior's best arm, or a draw given that it is another arm.

    .. math::

        p_a = P_a \Bigl( \beta + (1 - \beta) \sum_{b \ne a} \frac{P_b}{1 - P_b} \Bigr)

    :math:`P_a` is the posterior probability that arm a is the best, as in `BetaTSPolicy`. Where the
    leader is certain to about one in a million the challengers share evenly what is left to them.
    It stops when the generalised likelihood ratio of the best mean against every other arm exceeds
    :math:`\ln(2 t (K - 1) / \delta)`, with δ = 1 − confidence and t observations; the sampling does
    not depend on δ.

    Parameters
    ----------
    alpha_prior, beta_prior : float > 0, default 1
        Prior successes and failures of every arm.
    leader_share : float in (0, 1], default 0.5
        β, share of decisions that follow the leader; 1 is Thompson sampling, 1/2 is within a factor
        of two of the best for identification.
    practical : bool, default False
        Stop at :math:`\ln((1 + \ln t) / \delta)` instead, as experiments in print do: errors stay
        within δ in practice, without a proof.

    Examples
    --------
    >>> policy = TopTwoTSPolicy()
    >>> policy.propensities(policy.init(n_arms=2))
    array([0.5, 0.5])

    Notes
    -----
    It is made to *find* the best arm: the posterior probability of an error falls exponentially, at
    the best rate among policies that give the leader a share of β. Its regret is linear, because
    the share 1 − β goes to challengers for ever. With the stopping rule, which is proved for
    Bernoulli rewards, the mean number of observations over :math:`\ln(1/\delta)` tends to the best
    possible one among policies that give the leader a share of β. *Applies when* rewards of an arm
    are independent in [0, 1] with a fixed mean. Delay and batches cost it little.

    References
    ----------
    Russo (2020), *Simple Bayesian Algorithms for Best-Arm Identification*, section 3
    (top-two Thompson sampling) and Theorem 1. Jourdan, Degenne, Baudry, de Heide and Kaufmann
    (2022), *Top Two Algorithms Revisited* (with a stopping rule). Garivier and Kaufmann (2016),
    *Optimal Best Arm Identification with Fixed Confidence*, Theorem 10 (the rule).
    """

    leader_share: float = param(0.5, gt=0, lte=1, doc="share of decisions for the leader")
    practical: bool = param(False, doc="stop at the threshold of experiments, without a proof")

    state_type = Outcomes
    capabilities = Capabilities(order_free=True, propensity="quadrature", goal="identification")

    def propensities(
        self, prepared: Outcomes, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        best = BetaTSPolicy.propensities(self, prepared, context, mask=mask)
        able = np.ones(best.shape, dtype=np.bool_) if mask is None else mask & (best >= 0.0)
        weight = np.where(able, best + _RESOLVED, 0.0)
        ratio = best / np.maximum(_sum_of_others(weight), _RESOLVED)
        challenger = weight * _sum_of_others(ratio)
        alone = able.sum(-1, keepdims=True) == 1
        challenger = np.where(alone, best, challenger)
        law: Array = self.leader_share * best + (1.0 - self.leader_share) * challenger
        law /= law.sum(-1, keepdims=True)
        return law

    # The shortcuts of the class above draw from another law.
    sample = Policy.sample
    play = Policy.play

    def merits(self, state: Outcomes) -> Array:
        """Mean rewards, shape (..., K)."""
        return observed_means(state.successes + state.failures, state.successes)

    def stopped(self, state: Outcomes, *, confidence: float) -> BoolArray:
        """Whether the likelihood ratio suffices, shape (...)."""
        pulls = state.successes + state.failures
        return certain(pulls, state.successes, confidence=confidence, practical=self.practical)


def _sum_of_others(values: Array) -> Array:
    """Sum over the other arms, (..., K), without subtracting: a leader would leave no digits."""
    total = np.zeros(values.shape)
    total[..., 1:] += values[..., :-1].cumsum(-1)
    total[..., :-1] += values[..., :0:-1].cumsum(-1)[..., ::-1]
    return total
