"""EXP4: exponential weights over experts whose advice is the context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.errors import InvalidParameter
from qbrix.policies._counts import Cells, starts, uniform
from qbrix.policies._per_arm import PerArmPolicy, parts, side_by_side
from qbrix.policies.base import Capabilities
from qbrix.state import State, array, zeros
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["EXP4Policy"]

_ROUNDING = 1e-6
"""By how much the probabilities that an expert gives may miss the sum 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpertRewards(State):
    """Sums of what each of N experts would have earned, and how often each arm was observed."""

    weighted_reward: Array = array("N")
    pulls: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP4Policy(PerArmPolicy[ExpertRewards, ExpertRewards]):
    r"""Follow experts in proportion to the exponential of what their advice would have earned.

    .. math::

        p_a = (1 - \gamma) \sum_i \frac{e^{\gamma G_i / K}}{\sum_j e^{\gamma G_j / K}} \, \xi_i(a)
            + \frac{\gamma}{K}, \qquad
        G_i = \sum_s \xi_i^s(a_s) \frac{r_s}{p_s}

    The context is the advice of N experts, one after the other: for each a distribution
    :math:`\xi_i` over the arms, d = N K numbers. :math:`p_s` is the *logged* propensity of the
    decision, however long ago it was made. The state holds the sums G; the exponential is taken,
    relative to the largest, when a decision is due, so that nothing overflows. Where arms are
    masked, the experts' mixture is conditioned on the allowed ones.

    Parameters
    ----------
    gamma : float in (0, 1], default 0.1
        Share of uniform exploration, and K times the learning rate.
        :math:`\min\{1, \sqrt{K \ln N / ((e - 1) T)}\}` for a known horizon T.

    Examples
    --------
    Two experts and two arms: the first expert is sure of arm 0, the second of nothing.

    >>> policy = EXP4Policy(gamma=0.5)
    >>> state = ExpertRewards(weighted_reward=np.array([4.0 * np.log(3.0), 0.0]), pulls=np.zeros(2))
    >>> policy.propensities(state, np.array([1.0, 0.0, 0.5, 0.5]))
    array([0.6875, 0.3125])

    Notes
    -----
    Expected regret against the best expert :math:`\le 2.63 \sqrt{K T \ln N}` with the gamma above,
    if one of the experts always advises uniformly. *Applies when* rewards lie in [0, 1], even if an
    adversary chose them and the advice in advance: N enters by its logarithm only, so experts may
    be many and of any kind. A batch or delay keeps the weights as they are and costs about its
    length in every expert's lead.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    section 7: algorithm Exp4 and Theorem 7.1.
    """

    gamma: float = param(0.1, gt=0, lte=1, doc="share of uniform exploration")

    state_type = ExpertRewards
    capabilities = Capabilities(
        context=True,
        order_free=True,
        propensity="closed",
        category="adversarial",
        propensities_cost="d",
        update_cost="d / K",
    )

    def init(self, *, n_arms: int, dim: int = 0) -> ExpertRewards:
        """The state before the first interaction; ``dim`` is a multiple of ``n_arms``."""
        what = "a distribution over the arms from every expert"
        experts = parts(dim, n_arms, owner=type(self).__name__, what=what)
        return zeros(ExpertRewards, K=n_arms, N=experts)

    def width(self, sizes: dict[str, int]) -> int:
        """N K."""
        return sizes["N"] * sizes["K"]

    def check_batch(self, state: ExpertRewards, batch: Interactions) -> None:
        """Raise unless ``batch`` fits ``state`` and carries distributions as advice."""
        PerArmPolicy.check_batch(self, state, batch)
        assert batch.contexts is not None
        _require_laws(self._advice(state, batch.contexts)[batch.arms >= 0])

    def propensities(
        self,
        prepared: ExpertRewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        advice = self._advice(prepared, context)
        _require_laws(advice)
        earned = prepared.weighted_reward
        n_arms = prepared.pulls.shape[-1]
        leads = (earned - earned.max(-1, keepdims=True)) * (self.gamma / n_arms)
        weights = np.exp(leads)
        mixture = (weights[..., None] * advice).sum(-2)
        if mask is not None:
            mixture = np.where(mask, mixture, 0.0)
        total = mixture.sum(-1, keepdims=True)
        even = uniform(mixture.shape, mask)
        followed = np.divide(mixture, total, out=even.copy(), where=total > 0.0)
        law: Array = (1.0 - self.gamma) * followed + self.gamma * even
        return law

    def update_in_place(self, state: ExpertRewards, batch: Interactions) -> None:
        """Add to every expert its advice for the chosen arm times the reward over propensity."""
        n_experts, n_arms = state.weighted_reward.shape[-1], state.pulls.shape[-1]
        cells = Cells.of(batch, n_arms)
        cells.add(state.pulls, 1.0)
        leading = batch.arms.shape[:-1]
        advice = self._advice(state, batch.contexts)
        arms = np.maximum(batch.arms, 0)[..., None, None]
        chosen = np.take_along_axis(advice, arms, axis=-1)[..., 0]
        gained = chosen * (batch.rewards / batch.propensities)[..., None]
        row = starts(leading, n_experts)[..., None, None] + np.arange(n_experts)
        row = np.broadcast_to(row, gained.shape)
        real = batch.arms >= 0
        np.add.at(state.weighted_reward.reshape(-1, copy=False), row[real], gained[real])

    def example_contexts(self, rng: np.random.Generator, *, n: int, n_arms: int, dim: int) -> Array:
        """Advice drawn evenly from the simplex, shape (n, d)."""
        advice = rng.dirichlet(np.ones(n_arms), size=(n, dim // n_arms))
        return advice.reshape(n, dim)

    def example_rounds(
        self, rng: np.random.Generator, *, n_arms: int, shape: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """Advice (..., d) of three experts, and means (..., K) that the first one knows."""
        n = int(np.prod(shape, dtype=np.int64))
        advice = self.example_contexts(rng, n=n, n_arms=n_arms, dim=3 * n_arms)
        advice = advice.reshape(*shape, 3 * n_arms)
        return advice, advice[..., :n_arms]

    def _advice(self, state: ExpertRewards, context: Array | None) -> Array:
        """What every expert advises, (..., N, K)."""
        n_experts, n_arms = state.weighted_reward.shape[-1], state.pulls.shape[-1]
        return side_by_side(context, n_experts, n_arms, owner=type(self).__name__)


def _require_laws(advice: Array) -> None:
    """Refuse the first expert whose advice is no distribution, (..., N, K)."""
    total = advice.sum(-1)
    good = (advice.min(-1, initial=0.0) >= 0.0) & (np.abs(total - 1.0) <= _ROUNDING)
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        raise InvalidParameter(
            f"context: expert {where[-1]} advises {advice[where].tolist()}, expected probabilities "
            "of all arms that sum to 1; pass the experts' distributions one after the other"
        )
