"""GLR-klUCB: KL-UCB that starts over when a likelihood ratio finds a change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._change import Blocks, Watch
from qbrix.policies._forced import by_turns
from qbrix.policies._in_order import events
from qbrix.policies._index import IndexPolicy, largest_mean
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import zeros
from qbrix.types import Array, Interactions

__all__ = ["GLRKLUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GLRKLUCBPolicy(IndexPolicy[Blocks]):
    r"""KL-UCB with exploration by turns; a change of any arm starts all of them over.

    .. math::

        U_a = \max\{ q : N_a \, \mathrm{kl}(\hat\mu_a, q) \le \ln t \}

    Count, mean and round t are since the last restart. Of every ⌊K/α⌋ rounds the first K belong to
    one arm each, in order; the others go to the largest index, where ties share evenly. With n
    observations of the arm that was observed last there is an alarm when

    .. math::

        \max_s \; s \, \mathrm{kl}(\hat\mu_{1:s}, \hat\mu_{1:n})
            + (n - s) \, \mathrm{kl}(\hat\mu_{s+1:n}, \hat\mu_{1:n})
            > \ln \frac{n^{3/2}}{\delta} .

    Parameters
    ----------
    delta : float in (0, 1), default 0.01
        Level of the test; :math:`1 / \sqrt T` for a horizon T.
    alpha : float in (0, 1], default 0.05
        Share of rounds that are given to turns; :math:`\sqrt{K \ln T / T}`, and more when many
        changes are expected.
    splits : int >= 1, default 32
        The test looks at all s up to twice this number of observations, and at no fewer than this
        number of evenly spaced s afterwards. Another number needs a reset.
    every : int >= 1, default 10
        The test is made whenever the number of observations of an arm is a multiple of this.

    Examples
    --------
    Six zeros, then ones: 12 ln 2 = 8.3 exceeds ln(12^1.5 / ½) = 4.4 at the latest.

    >>> policy = GLRKLUCBPolicy(delta=0.5, every=1)
    >>> batch = Interactions(
    ...     arms=np.zeros(12, dtype=np.int64), rewards=np.repeat([0.0, 1.0], 6),
    ...     propensities=np.ones(12), state_versions=np.zeros(12, dtype=np.int64),
    ... )
    >>> float(policy.update(policy.init(n_arms=2), batch).alarms)
    1.0

    Notes
    -----
    Regret against the best arm of each round :math:`O(\sqrt{K \Upsilon T \ln T})` for Υ changes,
    without knowledge of their size. *Applies when* rewards lie in [0, 1] and their means jump now
    and then; the test is that of Bernoulli laws, and on the safe side for others. The proof wants a
    slightly larger threshold than this one, which the authors use. Restarts are global. While
    feedback is delayed the arm of the turn repeats; a batch of b rows may hold b decisions made
    before a restart.

    References
    ----------
    Besson, Kaufmann, Maillard and Seznec (2022), *Efficient Change-Point Detection for Tackling
    Piecewise-Stationary Bandits*, Algorithm 1; the authors test sparsely too.
    """

    delta: float = param(0.01, gt=0, lt=1, doc="level of the test for a change")
    alpha: float = param(0.05, gt=0, lte=1, doc="share of rounds given to turns")
    splits: int = param(32, gte=1, doc="least number of splits of a long history", structural=True)
    every: int = param(10, gte=1, doc="observations of an arm between two tests")

    state_type = Blocks
    capabilities = Capabilities(propensity="one-hot", update_cost="splits")

    def init(self, *, n_arms: int, dim: int = 0) -> Blocks:
        """No observation, blocks of length 1."""
        return zeros(Blocks, K=n_arms, blocks=2 * self.splits)

    def prepare(self, state: Blocks) -> Array:
        """The indices, those of a turn lifted above all others, shape (..., K)."""
        elapsed = state.pulls.sum(-1, keepdims=True)
        return by_turns(IndexPolicy.prepare(self, state), elapsed=elapsed, alpha=self.alpha)

    def index(self, state: Blocks, pulls: Array, mean: Array, *, t: Array) -> Array:
        """The largest mean that the divergence allows, shape (..., K)."""
        return largest_mean(mean, np.log(t), pulls, tolerance=1e-6, max_iterations=50)

    def update_in_place(self, state: Blocks, batch: Interactions) -> None:
        """Count, test the history of the observed arm, restart after an alarm."""
        watch = Watch.of(state)
        for event in events(batch):
            watch.learn(event, delta=self.delta, every=self.every)

    def merge(self, a: Blocks, b: Blocks) -> Blocks:
        """Refused: which history is the older one is not in the states."""
        return Policy.merge(self, a, b)
