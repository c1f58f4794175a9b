r"""A detector of changes: the generalised likelihood ratio of Bernoulli laws, arm by arm.

With n rewards of an arm there is an alarm when

.. math::

    \max_s \; s \, \mathrm{kl}(\hat\mu_{1:s}, \hat\mu_{1:n})
        + (n - s) \, \mathrm{kl}(\hat\mu_{s+1:n}, \hat\mu_{1:n}) > \ln \frac{n^{3/2}}{\delta} .

The rewards are kept as sums of blocks, whose borders are the s that are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import Rewards
from qbrix.policies._elementary import natural_log, x_log_x
from qbrix.policies._in_order import Event, rows
from qbrix.state import array
from qbrix.types import Array, IntArray


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


@dataclass(slots=True)
class Watch:
    """The arrays of a `Blocks` state with one leading axis, to be learned into.

    Attributes
    ----------
    pulls, total, length : Array, shape (R, K)
    blocks : Array, shape (R, K, 2 splits)
    alarms : Array, shape (R,)
    """

    pulls: Array
    total: Array
    length: Array
    blocks: Array
    alarms: Array

    @classmethod
    def of(cls, state: Blocks) -> Watch:
        """Views of a state that the caller owns."""
        return cls(
            pulls=rows(state.pulls),
            total=rows(state.total_reward),
            length=rows(state.block_length),
            blocks=rows(state.block_reward, axes=2),
            alarms=rows(state.alarms, axes=0),
        )

    def learn(self, event: Event, *, delta: float, every: int) -> IntArray:
        """Take in one row, test where a test is due, forget all arms where there is an alarm.

        Returns
        -------
        IntArray
            The leading indices that raised an alarm.
        """
        cell = (event.at, event.arm)
        length = np.maximum(self.length[cell], 1.0)
        self.blocks[(*cell, (self.pulls[cell] // length).astype(np.int64))] += event.reward
        self.pulls[cell] += 1.0
        self.total[cell] += event.reward
        changed = self._changed(event, length, delta=delta, every=every)
        full = self.pulls[cell] == length * self.blocks.shape[-1]
        if full.any():
            wide = (event.at[full], event.arm[full])
            self.length[wide] = 2.0 * length[full]
            self.blocks[wide] = _joined(self.blocks[wide])
        if changed.size:
            self.alarms[changed] += 1.0
            for forgotten in (self.pulls, self.total, self.length, self.blocks):
                forgotten[changed] = 0.0
        return changed

    def _changed(self, event: Event, length: Array, *, delta: float, every: int) -> IntArray:
        due = self.pulls[event.at, event.arm] % every == 0.0
        at: IntArray = event.at[due]
        if not at.size:
            return at
        cell = (at, event.arm[due])
        n = self.pulls[cell]
        ratio = largest_ratio(self.blocks[cell], length=length[due], n=n, total=self.total[cell])
        changed: IntArray = at[ratio > 1.5 * natural_log(n) - natural_log(np.array(delta))]
        return changed


def largest_ratio(blocks: Array, *, length: Array, n: Array, total: Array) -> Array:
    """Log-likelihood ratio of the likeliest change between two blocks, against none.

    Parameters
    ----------
    blocks : Array, shape (m, blocks)
        Sums of rewards.
    length : Array, shape (m,)
        Observations in a block.
    n, total : Array, shape (m,)
        Number and sum of all rewards.

    Returns
    -------
    Array, shape (m,)
    """
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
