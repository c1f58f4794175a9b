"""Any policy, started over when the rewards of an arm have changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qbrix.checks import param
from qbrix.policies._change import Blocks, Watch
from qbrix.policies._counts import allowed, uniform
from qbrix.policies._in_order import events
from qbrix.policies._nested import grown_around, initial, learned, learner_of, unpacked
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["RestartPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watched(Blocks):
    """What the detector remembers of every arm, and the learner's state in a row of numbers."""

    learner: Array = array("m")


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartPolicy(Policy[Watched, tuple[Any, int]]):
    r"""A policy with a share of uniform exploration, started over when a test finds a change.

    .. math:: p_a = \frac{\alpha}{K} + (1 - \alpha) \, \pi_a(\text{what was seen since the alarm})

    π is the law of the learner, which knows nothing of the test and learns with the propensities of
    the mixture. The test is that of `GLRKLUCBPolicy`: with n rewards of an arm since the last
    alarm,

    .. math::

        \max_s \; s \, \mathrm{kl}(\hat\mu_{1:s}, \hat\mu_{1:n})
            + (n - s) \, \mathrm{kl}(\hat\mu_{s+1:n}, \hat\mu_{1:n})
            > \ln \frac{n^{3/2}}{\delta}

    and an alarm of any arm forgets all of them.

    Parameters
    ----------
    learner : str, default "BetaTSPolicy"
        The policy, as `repr` shows it: ``"DiscountedTSPolicy(gamma=0.9)"``, or its name. One
        without context that learns from rewards in [0, 1]. Another one needs a reset.
    delta : float in (0, 1), default 0.01
        Level of the test; :math:`1 / \sqrt T` for a horizon T.
    alpha : float in [0, 1], default 0.05
        Share of uniform exploration, without which an arm that lies idle can change unseen.
    splits : int >= 1, default 32
        The test looks at all s up to twice this number of observations, and at no fewer than this
        number of evenly spaced s afterwards. Another number needs a reset.
    every : int >= 1, default 10
        The test is made whenever the number of observations of an arm is a multiple of this.

    Examples
    --------
    >>> policy = RestartPolicy(learner="BetaTSPolicy(alpha_prior=2.0)", alpha=0.1)
    >>> policy.propensities(policy.prepare(policy.init(n_arms=2))).round(6)
    array([0.5, 0.5])

    Notes
    -----
    Between changes it pays α times the mean gap per round beyond what the learner loses. *Applies
    when* rewards lie in [0, 1] and their means jump now and then. Time is counted in observations:
    delay shifts an alarm, and rows decided before it are learned after it.

    References
    ----------
    Besson, Kaufmann, Maillard and Seznec (2022), *Efficient Change-Point Detection for Tackling
    Piecewise-Stationary Bandits*, for the test. Allesiardo, Féraud and Maillard (2017), *The
    Non-stationary Stochastic Multi-armed Bandit Problem*, for restarts of other policies.
    """

    learner: str = param("BetaTSPolicy", doc="the policy that is started over", structural=True)
    delta: float = param(0.01, gt=0, lt=1, doc="level of the test for a change")
    alpha: float = param(0.05, gte=0, lte=1, doc="share of uniform exploration")
    splits: int = param(32, gte=1, doc="least number of splits of a long history", structural=True)
    every: int = param(10, gte=1, doc="observations of an arm between two tests")

    state_type = Watched
    capabilities = Capabilities(propensity="closed")

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        learner_of(self.learner)

    def init(self, *, n_arms: int, dim: int = 0) -> Watched:
        """Nothing observed, and the learner's own beginning."""
        numbers = initial(learner_of(self.learner), n_arms)
        state = zeros(Watched, K=n_arms, blocks=2 * self.splits, m=numbers.size)
        return replace(state, learner=numbers)

    def grow(self, state: Watched, *, n_arms: int) -> Watched:
        """Arms added at the end, for the learner too."""
        return grown_around(state, self.init(n_arms=n_arms), learner_of(self.learner))

    def prepare(self, state: Watched) -> tuple[Any, int]:
        """What the learner prepares, and K."""
        learner, n_arms = learner_of(self.learner), state.pulls.shape[-1]
        return learner.prepare(unpacked(learner, state.learner, n_arms=n_arms)), n_arms

    def propensities(
        self,
        prepared: tuple[Any, int],
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        law = learner_of(self.learner).propensities(prepared[0], mask=mask)
        return self.alpha * uniform(law.shape, mask) + (1.0 - self.alpha) * law

    def update_in_place(self, state: Watched, batch: Interactions) -> None:
        """Test row by row; let the learner learn, and start it over after an alarm."""
        watch = Watch.of(state)
        restarts = np.zeros((len(watch.pulls), batch.arms.shape[-1]), dtype=np.bool_)
        for row, event in enumerate(events(batch)):
            restarts[watch.learn(event, delta=self.delta, every=self.every), row] = True
        state.learner[...] = learned(
            learner_of(self.learner),
            state.learner,
            batch,
            restarts=restarts.reshape(batch.arms.shape),
            n_arms=state.pulls.shape[-1],
        )

    def sample(
        self,
        prepared: tuple[Any, int],
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """An arm of the learner's, or with probability alpha any that is allowed."""
        inner, n_arms = prepared
        arms = learner_of(self.learner).sample(inner, mask=mask, rng=rng)
        exploring = rng.random(arms.shape) < self.alpha
        if not exploring.any():
            return arms
        keys = allowed(rng.random((*arms.shape, n_arms)), mask)
        return np.where(exploring, keys.argmax(-1), arms)
