"""A portfolio of policies that all learn from every interaction, and a controller over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import numpy as np

from qbrix.checks import check_features, param
from qbrix.errors import InvalidParameter
from qbrix.policies._counts import Cells
from qbrix.policies._nested import learned_by, packed
from qbrix.policies._portfolio import (
    PORTFOLIOS,
    Panel,
    Portfolio,
    add_contexts,
    beginning,
    check_fit,
    control,
    laws,
    portfolio_of,
    states,
    weights,
)
from qbrix.policies._varying import varying
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import grown
from qbrix.support import SUPPORTS, RewardSupport
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["MetaBanditPolicy"]


@lru_cache(maxsize=256)
def _capabilities(policy: MetaBanditPolicy) -> Capabilities:
    learners = portfolio_of(policy.learners)
    exact = all(learner.capabilities.bits == "exact" for learner in learners)
    most = [learner.capabilities.max_arms for learner in learners]
    return replace(
        MetaBanditPolicy.capabilities,
        context=policy.use_context,
        reward=cast(RewardSupport, policy.reward_type),
        bits="exact" if exact else "close",
        max_arms=min((arms for arms in most if arms is not None), default=None),
        recorded=2 * len(learners),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaBanditPolicy(Policy[Portfolio, Panel]):
    r"""Choose by the weighted opinion of a portfolio of policies; who did well weighs more.

    .. math::

        p_a = \sum_i q_i \, \pi_i(a), \qquad
        q_i = \frac{\gamma}{M} + (1 - \gamma) \frac{e^{-\eta L_i}}{\sum_j e^{-\eta L_j}}, \qquad
        L_i = \sum_s (\bar r_s - r_s) \frac{\pi_{i,s}(a_s)}{p_s}

    :math:`\pi_{i,s}(a_s)` is the probability that learner i gave to the chosen arm when it was
    chosen, :math:`p_s` the logged propensity, and :math:`\bar r_s` the mean of all rewards before:
    it shifts all learners alike and takes most of the noise away. The rate is
    :math:`\eta = \min\{1/E, \sqrt{\ln M / V}\}` with E the largest difference between two learners'
    terms so far and V the sum of the terms' variances under q. So neither the unit nor the origin
    of the rewards matters, and no exponent can overflow.

    Every learner learns from every interaction, whoever would have chosen it: a reward tells what
    the arm pays, and a learner that weights rewards by propensities is given that of the mixture.

    Parameters
    ----------
    reward_type : {"binary", "bounded", "nonnegative", "continuous"}, default "continuous"
        The rewards that it learns from; it decides which portfolio is the default.
    use_context : bool, default False
        Whether learners may decide by context.
    learners : str, optional
        The portfolio, as `repr` shows policies, with semicolons between:
        ``"BetaTSPolicy; EpsilonPolicy(eps=0.1, gamma=1.0)"``. Left out, one that fits the rewards;
        it is written out in the hyper-parameters. Another one needs a reset.
    gamma : float in [0, 1], default 0.02
        Share of the decisions in which all learners count alike; it bounds the terms by
        :math:`M / \gamma` times the reward.

    Examples
    --------
    >>> MetaBanditPolicy(reward_type="binary", use_context=True).learners
    'LogisticTSPolicy; LinUCBPolicy(alpha=0.5); BetaTSPolicy'
    >>> policy = MetaBanditPolicy(learners="EpsilonPolicy(eps=0.2, gamma=1.0); RandomPolicy")
    >>> policy.propensities(policy.prepare(policy.init(n_arms=2)))
    array([0.5, 0.5])

    Notes
    -----
    Against any fixed sequence of learners' laws its loss exceeds that of the best learner by the
    order of :math:`\sqrt{V \ln M} + E \ln M`, plus γ times what the average learner loses. *Applies
    when* some learner suits the problem and nobody knows which. Terms use what held at the
    decision, so delay biases nothing.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    section 7 (EXP4). Cesa-Bianchi, Mansour and Stoltz (2007), *Improved Second-order Bounds for
    Prediction with Expert Advice*, for the rate.
    """

    reward_type: str = param("continuous", doc="support of the rewards", structural=True)
    use_context: bool = param(False, doc="whether learners see the context", structural=True)
    learners: str = param("", doc="the portfolio, semicolons between", structural=True)
    gamma: float = param(0.02, gte=0, lte=1, doc="share in which all learners count alike")

    state_type = Portfolio
    capabilities = varying(
        Capabilities(
            reward="continuous",
            propensity="quadrature",
            category="meta",
            recorded=6,
            propensities_cost="sum over learners",
            update_cost="sum over learners",
        ),
        of=_capabilities,
    )

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        if self.reward_type not in SUPPORTS:
            raise InvalidParameter(
                f"MetaBanditPolicy(reward_type={self.reward_type!r}): expected one of "
                + ", ".join(SUPPORTS)
            )
        if not self.learners.strip():
            usual = PORTFOLIOS[self.reward_type, self.use_context]
            object.__setattr__(self, "learners", usual)
        for learner in portfolio_of(self.learners):
            check_fit(learner, reward_type=self.reward_type, use_context=self.use_context)

    def init(self, *, n_arms: int, dim: int = 0) -> Portfolio:
        """Nothing observed, and every learner's own beginning."""
        if self.use_context:
            check_features(dim, owner="MetaBanditPolicy(use_context=True)")
        return beginning(self.learners, n_arms=n_arms, dim=dim if self.use_context else 0)

    def grow(self, state: Portfolio, *, n_arms: int) -> Portfolio:
        """Arms added at the end, for every learner too."""
        learners = states(self.learners, state)
        numbers = np.concatenate([packed(one.grow(own, n_arms=n_arms)) for one, own in learners])
        fresh = self.init(n_arms=n_arms, dim=state.context_total.shape[-1])
        return grown(replace(state, learners=numbers), replace(fresh, learners=numbers))

    def prepare(self, state: Portfolio) -> Panel:
        """What every learner prepares, and the weights."""
        prepared = tuple(learner.prepare(inner) for learner, inner in states(self.learners, state))
        return Panel(prepared=prepared, weights=weights(state, gamma=self.gamma))

    def advance(self, prepared: Panel, state: Portfolio, batch: Interactions) -> Panel:
        """Let every learner follow the batch in its own way."""
        followed = tuple(
            learner.advance(part, inner, batch)
            for part, (learner, inner) in zip(
                prepared.prepared, states(self.learners, state), strict=True
            )
        )
        return Panel(prepared=followed, weights=weights(state, gamma=self.gamma))

    def propensities(
        self, prepared: Panel, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        opinions = laws(self.learners, prepared, context if self.use_context else None, mask=mask)
        law = prepared.weights[..., :1] * opinions[0]
        for number, own in enumerate(opinions[1:], start=1):
            law = law + prepared.weights[..., number, None] * own
        law /= law.sum(-1, keepdims=True)
        return law

    def record(
        self,
        prepared: Panel,
        context: Array | None,
        arm: IntArray,
        *,
        mask: BoolArray | None = None,
    ) -> Array:
        """Each learner's probability of the arm, then each learner's weight, (..., 2 M)."""
        chosen = np.asarray(arm)[..., None]
        columns = []
        for law in laws(self.learners, prepared, context if self.use_context else None, mask=mask):
            full = np.broadcast_to(law, (*chosen.shape[:-1], law.shape[-1]))
            columns.append(np.take_along_axis(full, chosen, axis=-1))
        shares = np.concatenate(columns, axis=-1)
        return np.concatenate([shares, np.broadcast_to(prepared.weights, shares.shape)], axis=-1)

    def update_in_place(self, state: Portfolio, batch: Interactions) -> None:
        """Let the controller judge row by row, and every learner learn the whole batch."""
        control(state, batch)
        start, n_arms = 0, state.pulls.shape[-1]
        for learner, inner in states(self.learners, state):
            numbers = packed(learned_by(learner, inner, batch))
            stop = start + numbers.shape[-1]
            state.learners[..., start:stop] = numbers
            start = stop
        Cells.of(batch, n_arms).add(state.pulls, 1.0)
        if self.use_context:
            add_contexts(state, batch)
