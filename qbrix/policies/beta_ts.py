"""Thompson sampling for rewards in [0, 1] with Beta posteriors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies._counts import Cells, allowed, starts
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["BetaTSPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes(State):
    """Sums of rewards and of what was missing to 1."""

    successes: Array = array("K")
    failures: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class BetaTSPolicy(Policy[Outcomes, Outcomes]):
    r"""Choose each arm with its posterior probability of being the best.

    .. math::

        p_a = P\bigl(\theta_a > \max_{b \ne a} \theta_b\bigr), \qquad
        \theta_a \sim \mathrm{Beta}(\alpha + S_a,\; \beta + F_a)

    A reward r in [0, 1] adds r to the successes S and 1 − r to the failures F of its arm.

    Parameters
    ----------
    alpha_prior : float > 0, default 1
        Prior successes of every arm.
    beta_prior : float > 0, default 1
        Prior failures of every arm. (1, 1) is uniform, as Chapelle and Li (2011) use it.

    Examples
    --------
    >>> policy = BetaTSPolicy(alpha_prior=2.0)
    >>> state = policy.init(n_arms=3)
    >>> policy.propensities(state).round(6)
    array([0.333333, 0.333333, 0.333333])

    Notes
    -----
    For Bernoulli rewards :math:`R_T / \ln T` tends to the Lai–Robbins constant
    :math:`\sum_a \Delta_a / \mathrm{kl}(\mu_a, \mu^*)`. *Applies when* rewards of an
    arm are independent with a fixed mean; for other rewards in [0, 1] the posterior is wider than
    need be and the regret stays logarithmic. Delay and batches cost it little: waiting for feedback
    it goes on drawing from its posterior instead of repeating one arm.

    References
    ----------
    Thompson (1933), *On the Likelihood that One Unknown Probability Exceeds Another*.
    Kaufmann, Korda and Munos (2012), *Thompson Sampling: An Asymptotically Optimal Finite-Time
    Analysis*, Theorem 1. Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*,
    Algorithm 2 and section 4 (delay).
    """

    alpha_prior: float = param(1.0, gt=0, doc="prior successes of every arm")
    beta_prior: float = param(1.0, gt=0, doc="prior failures of every arm")

    state_type = Outcomes
    capabilities = Capabilities(order_free=True, propensity="quadrature")

    def propensities(
        self, prepared: Outcomes, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        return beta_best_arm(
            prepared.successes + self.alpha_prior, prepared.failures + self.beta_prior, mask=mask
        )

    def update_in_place(self, state: Outcomes, batch: Interactions) -> None:
        """Add r to the successes and 1 − r to the failures."""
        cells = Cells.of(batch, state.successes.shape[-1])
        rewards = cells.column(batch.rewards)
        cells.add(state.successes, rewards)
        cells.add(state.failures, 1.0 - rewards)

    def merge(self, a: Outcomes, b: Outcomes) -> Outcomes:
        """Counts add."""
        return Outcomes(successes=a.successes + b.successes, failures=a.failures + b.failures)

    def sample(
        self,
        prepared: Outcomes,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw from its posterior, one per leading index."""
        draws = rng.beta(prepared.successes + self.alpha_prior, prepared.failures + self.beta_prior)
        best: IntArray = allowed(draws, mask).argmax(-1)
        return best

    def play(
        self,
        prepared: Outcomes,
        state: Outcomes,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, Outcomes]:
        """A block of rounds, compiled."""
        from qbrix.policies.kernels.chance import streams
        from qbrix.policies.kernels.thompson import play_beta, play_small_beta

        chosen = np.empty(rewards.shape[:2], dtype=np.int64)
        shapes = np.stack([state.successes + self.alpha_prior, state.failures + self.beta_prior])
        small = min(self.alpha_prior, self.beta_prior) < 1.0
        kernel = play_small_beta if small else play_beta
        kernel(shapes, rewards, streams(rng, len(rewards)), chosen)
        self._learn(state, rewards, chosen)
        return chosen, state

    def _learn(self, state: Outcomes, rewards: Array, chosen: IntArray) -> None:
        """What was chosen in some rounds, (B, R), one after the other."""
        replications, n_arms = rewards.shape[1:]
        paid = np.take_along_axis(rewards, chosen[..., np.newaxis], axis=2).ravel()
        cells = (chosen + starts((replications,), n_arms)).ravel()
        np.add.at(state.successes.reshape(-1, copy=False), cells, paid)
        np.add.at(state.failures.reshape(-1, copy=False), cells, 1.0 - paid)
