"""The Gittins index: the optimal policy for discounted Bernoulli arms."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Cells, pick, share
from qbrix.policies.base import Capabilities, Policy
from qbrix.policies.beta_ts import Outcomes
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["GittinsPolicy", "gittins_index"]

_HORIZON_WEIGHT = 1e-5
"""Discount at which the look-ahead ends; later rounds count as if nothing more were learned."""
_STEP = 1e-8
"""Secant steps below it are the last; they leave far less, because steps shrink superlinearly."""
_MOST_STEPS = 50


@dataclass(slots=True, kw_only=True)
class Indices:
    """The index of every arm, shape (..., K)."""

    index: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class GittinsPolicy(Policy[Outcomes, Indices]):
    r"""Choose the arm with the largest Gittins index, the fair price of playing it for a while.

    .. math::

        U_a = \sup_{\tau \ge 1}
            \frac{E\bigl[\sum_{s=0}^{\tau-1} \gamma^s r_{a,s}\bigr]}
                 {E\bigl[\sum_{s=0}^{\tau-1} \gamma^s\bigr]}

    The expectation is over the posterior :math:`\mathrm{Beta}(\alpha + S_a, \beta + F_a)` of the
    arm, the supremum over stopping times. Indices that tie share evenly; an unobserved arm has the
    index of the prior and is not forced.

    Parameters
    ----------
    discount : float in (0, 1), default 0.9
        γ, value of the next round in terms of this one; the effective horizon is
        :math:`1 / (1 - \gamma)`.
    alpha_prior, beta_prior : float > 0, default 1
        Prior successes and failures of every arm.

    Examples
    --------
    >>> policy = GittinsPolicy(discount=0.9)
    >>> policy.prepare(policy.init(n_arms=2)).index.round(4)
    array([0.7029, 0.7029])

    Notes
    -----
    No policy has a larger expected discounted reward under the prior. It stops exploring in finite
    time, so its undiscounted regret is linear with a small probability. *Applies when* rewards are
    0 or 1, rounds are discounted and feedback comes at once: delay and batches break the theorem.
    Cost grows with the square of :math:`1 / (1 - \gamma)`.

    References
    ----------
    Gittins (1979), *Bandit Processes and Dynamic Allocation Indices*. Gittins, Glazebrook and Weber
    (2011), *Multi-armed Bandit Allocation Indices*, 2nd edition, section 8.4 and tables 8.1–8.3.
    """

    discount: float = param(0.9, gt=0, lt=1, doc="value of the next round in terms of this one")
    alpha_prior: float = param(1.0, gt=0, doc="prior successes of every arm")
    beta_prior: float = param(1.0, gt=0, doc="prior failures of every arm")

    state_type = Outcomes
    capabilities = Capabilities(reward="binary", order_free=True, propensity="one-hot")

    @classmethod
    def example(cls) -> GittinsPolicy:
        """A short horizon: laws can be checked in seconds."""
        return cls(discount=0.7)

    def prepare(self, state: Outcomes) -> Indices:
        """The index of every arm."""
        return Indices(index=self._index(state.successes, state.failures))

    def advance(self, prepared: Indices, state: Outcomes, batch: Interactions) -> Indices:
        """New indices for the arms that were observed."""
        touched = np.unique(Cells.of(batch, state.successes.shape[-1]).index)
        prepared.index.reshape(-1)[touched] = self._index(
            state.successes.reshape(-1)[touched], state.failures.reshape(-1)[touched]
        )
        return prepared

    def propensities(
        self, prepared: Indices, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the largest index, shape (..., K)."""
        return share(prepared.index, mask)

    def update_in_place(self, state: Outcomes, batch: Interactions) -> None:
        """Count a success or a failure."""
        cells = Cells.of(batch, state.successes.shape[-1])
        rewards = cells.column(batch.rewards)
        cells.add(state.successes, rewards)
        cells.add(state.failures, 1.0 - rewards)

    def merge(self, a: Outcomes, b: Outcomes) -> Outcomes:
        """Counts add."""
        return Outcomes(successes=a.successes + b.successes, failures=a.failures + b.failures)

    def sample(
        self,
        prepared: Indices,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest index, one per leading index."""
        return pick(prepared.index, mask=mask, rng=rng)

    def _index(self, successes: Array, failures: Array) -> Array:
        pairs = np.stack([successes.reshape(-1), failures.reshape(-1)], axis=-1)
        distinct, which = np.unique(pairs, axis=0, return_inverse=True)
        values = gittins_index(
            self.alpha_prior + distinct[:, 0],
            self.beta_prior + distinct[:, 1],
            discount=self.discount,
        )
        index: Array = values[which.reshape(-1)].reshape(successes.shape)
        return index


def gittins_index(successes: Array, failures: Array, *, discount: float) -> Array:
    r"""Gittins index of Beta posteriors, to about 1e-6.

    The index is the root of the convex falling function :math:`\lambda \mapsto C(\lambda)`, the
    value of playing once and then at will for a rent λ per round. The secant method climbs to it
    from below without overshooting.

    Parameters
    ----------
    successes, failures : Array, shape (m,)
        Parameters of the posteriors, > 0, prior included.
    discount : float in (0, 1)

    Returns
    -------
    Array, shape (m,)
    """
    depth = max(1, ceil(log(_HORIZON_WEIGHT) / log(discount)))
    rent = successes / (successes + failures)
    value = _gain(successes, failures, rent, discount=discount, depth=depth)
    step = value.copy()
    active = np.flatnonzero(step > _STEP)
    for _ in range(_MOST_STEPS):
        if not active.size:
            break
        a, b = successes[active], failures[active]
        rent[active] += step[active]
        new = _gain(a, b, rent[active], discount=discount, depth=depth)
        fall = np.maximum(value[active] - new, 1e-300)
        step[active] = np.maximum(new, 0.0) * step[active] / fall
        value[active] = new
        active = active[step[active] > _STEP]
    index: Array = rent
    return index


def _gain(a: Array, b: Array, rent: Array, *, discount: float, depth: int) -> Array:
    """Normalised value of playing once and going on while it pays, minus the rent, shape (m,)."""
    wins = np.arange(depth + 1.0)
    total = (a + b)[:, None]
    excess = (a[:, None] + wins) / (total + depth) - rent[:, None]
    value = np.maximum(excess, 0.0)
    now = 1.0 - discount
    for played in range(depth - 1, -1, -1):
        chance = (a[:, None] + wins[: played + 1]) / (total + played)
        later = value[:, :-1] + chance * (value[:, 1:] - value[:, :-1])
        later *= discount
        chance -= rent[:, None]
        chance *= now
        later += chance
        value = later if played == 0 else np.maximum(later, 0.0)
    gain: Array = value[:, 0]
    return gain
