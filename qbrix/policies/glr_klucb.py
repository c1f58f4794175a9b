"""GLR-klUCB: KL-UCB that starts over when a likelihood ratio finds a change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._forced import by_turns
from qbrix.policies._in_order import events, rows
from qbrix.policies._index import IndexPolicy, largest_mean
from qbrix.policies._logarithm import natural_log, x_log_x
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array, zeros
from qbrix.types import Array, Interactions

__all__ = ["GLRKLUCBPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks(Rewards):
    """Counts and sums since the last restart, and the history of every arm in blocks.

    Blocks of an arm hold equally many observations, all but the last one; when there is no room
    for another block, neighbours join and the length doubles; a length of 0 stands for 1, that of
    the beginning. ``alarms`` counts the restarts.
    """

    block_reward: Array = array("K", "blocks")
    block_length: Array = array("K")
    alarms: Array = array()


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
    Piecewise-Stationary Bandits*, Algorithm 1, Definition 1 and section 6 (sparse splits).
    """

    delta: float = param(0.01, gt=0, lt=1, doc="level of the test for a change")
    alpha: float = param(0.05, gt=0, lte=1, doc="share of rounds given to turns")
    splits: int = param(32, gte=1, doc="least number of splits of a long history", structural=True)
    every: int = param(10, gte=1, doc="observations of an arm between two tests")

    state_type = Blocks
    capabilities = Capabilities(propensity="one-hot")

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
        pulls, total, lengths = (
            rows(array) for array in (state.pulls, state.total_reward, state.block_length)
        )
        blocks, alarms = rows(state.block_reward, axes=2), rows(state.alarms, axes=0)
        threshold = -float(natural_log(np.array(self.delta)))
        for event in events(batch):
            cell = (event.at, event.arm)
            length = np.maximum(lengths[cell], 1.0)
            blocks[(*cell, (pulls[cell] // length).astype(np.int64))] += event.reward
            pulls[cell] += 1.0
            total[cell] += event.reward
            full = pulls[cell] == length * blocks.shape[-1]
            due = pulls[cell] % self.every == 0.0
            n = pulls[cell][due]
            ratio = _largest_ratio(
                blocks[cell][due], length=length[due], n=n, total=total[cell][due]
            )
            restart = event.at[due][ratio > 1.5 * natural_log(n) + threshold]
            if full.any():
                wide = (event.at[full], event.arm[full])
                lengths[wide] = 2.0 * length[full]
                blocks[wide] = _joined(blocks[wide])
            if restart.size:
                alarms[restart] += 1.0
                for array in (pulls, total, lengths, blocks):
                    array[restart] = 0.0

    def merge(self, a: Blocks, b: Blocks) -> Blocks:
        """Refused: which history is the older one is not in the states."""
        return Policy.merge(self, a, b)


def _largest_ratio(blocks: Array, *, length: Array, n: Array, total: Array) -> Array:
    """Log-likelihood ratio of the likeliest change between two blocks, against none, (m,)."""
    complete = int((n // length).max(initial=1.0))
    s = length[:, np.newaxis] * np.arange(1, complete + 1)
    before = blocks[:, :complete].cumsum(-1)
    whole, paid = n[:, np.newaxis], total[:, np.newaxis]
    parts = _likelihood(np.stack([before, paid - before]), np.stack([s, whole - s]))
    largest: Array = np.where(s < whole, parts[0] + parts[1], -np.inf).max(-1)
    return largest - _likelihood(total, n)


def _likelihood(total: Array, count: Array) -> Array:
    """Largest Bernoulli log-likelihood of ``count`` rewards with this sum."""
    parts = x_log_x(np.maximum(np.stack([total, count - total, count]), 0.0))
    likelihood: Array = parts[0] + parts[1] - parts[2]
    return likelihood


def _joined(blocks: Array) -> Array:
    """Sums of neighbours, followed by as many empty blocks."""
    pairs = blocks[:, 0::2] + blocks[:, 1::2]
    return np.concatenate([pairs, np.zeros_like(pairs)], axis=-1)
