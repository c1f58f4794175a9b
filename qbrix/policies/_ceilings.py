"""Which of many growing indices is the largest, without computing all of them.

The root u of a Bernoulli divergence is a concave function of its level, so a tangent bounds it from
above wherever the level moves. Tangents drawn some rounds ago are still so close that only the
arms that could win need solving: about one of ten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import TIE, Rewards, starts
from qbrix.policies._kl import Roots, near_roots
from qbrix.types import Array, IntArray


@dataclass(slots=True, kw_only=True)
class Ceilings:
    """Upper bounds of roots with levels ``exploration * weight``; arrays are flat (R K,).

    Attributes
    ----------
    roots : Roots
        Their p; roots and growth are those of the last solution.
    weight : Array
        1 / pulls.
    base, slope : Array
        The tangents, as functions of the exploration.
    height : Array, shape (R, K)
        The bounds at present.
    solved : IntArray
        Number of the round for which a bound is the root itself.
    solve : callable
        Solves for roots at given levels, in place.
    """

    roots: Roots
    weight: Array
    base: Array
    slope: Array
    height: Array
    solved: IntArray
    solve: Callable[[Roots, Array], None]

    @classmethod
    def over(
        cls,
        roots: Roots,
        weight: Array,
        exploration: Array,
        *,
        solve: Callable[[Roots, Array], None],
    ) -> Ceilings:
        """Above roots (R, K) that are solved for exploration (R,) with weight (R, K)."""
        slope = roots.growth * weight
        return cls(
            roots=roots,
            weight=weight.reshape(-1, copy=False),
            base=(roots.u - slope * exploration[:, np.newaxis]).reshape(-1),
            slope=slope.reshape(-1),
            height=roots.u.copy(),
            solved=np.zeros(roots.u.size, dtype=np.int64),
            solve=solve,
        )

    def rise(self, exploration: Array) -> None:
        """Follow the tangents to the next exploration, () or (R,)."""
        shape = self.height.shape
        np.multiply(self.slope.reshape(shape), exploration[..., np.newaxis], self.height)
        np.add(self.height, self.base.reshape(shape), self.height)

    def highest(self, exploration: Array, *, number: int) -> IntArray:
        """Cells of all roots that are largest in their row, after solving for what could be."""
        height, flat = self.height, self.height.reshape(-1)
        offsets = starts(height.shape[:1], height.shape[1])
        while True:
            cells: IntArray = height.argmax(1) + offsets
            old = cells[self.solved[cells] != number]
            if not old.size:
                least = -np.log(np.exp(-flat[cells]) + TIE)
                near = np.flatnonzero(height >= least[:, np.newaxis])
                if near.size == cells.size:
                    return cells
                old = near[self.solved[near] != number]
                if not old.size:
                    return near
            self._solve(old, exploration, number=number)

    def _solve(self, cells: IntArray, exploration: Array, *, number: int) -> None:
        own = exploration[cells // self.height.shape[1]] if exploration.ndim else exploration
        flat = self.height.reshape(-1)
        weight = self.weight[cells]
        roots = self.roots.taken(cells, u=flat[cells])
        self.solve(roots, own * weight)
        flat[cells] = roots.u
        self.solved[cells] = number
        self._draw(cells, roots, weight, own)

    def move(self, cells: IntArray, mean: Array, weight: Array, exploration: Array) -> None:
        """New means and weights (m,) at ``cells``, bounded anew for exploration () or (m,)."""
        level = exploration * weight
        roots = near_roots(mean, level)
        roots.step(level)
        self.roots.move(cells, roots)
        self.weight[cells] = weight
        self._draw(cells, roots, weight, exploration)

    def _draw(self, cells: IntArray, roots: Roots, weight: Array, exploration: Array) -> None:
        self.slope[cells] = slope = roots.growth * weight
        self.base[cells] = roots.u - slope * exploration


def play_highest(
    ceilings: Ceilings,
    state: Rewards,
    rewards: Array,
    *,
    levels: Array,
    chosen: IntArray,
    rng: np.random.Generator,
) -> None:
    """Choose one of the largest roots and learn what it pays, round after round.

    Parameters
    ----------
    ceilings : Ceilings
        Above the roots of ``state``; those after the last round are left in it.
    state : Rewards
        Learns in place.
    rewards : Array, shape (B, R, K)
    levels : Array, shape (B + 1,) or (B + 1, R)
        Exploration in each of the rounds and in the one after.
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    size, replications, n_arms = rewards.shape
    pulls, total = (a.reshape(-1, copy=False) for a in (state.pulls, state.total_reward))
    for i, (arms, table) in enumerate(zip(chosen, rewards.reshape(size, -1), strict=True)):
        level, later = np.asarray(levels[i]), np.asarray(levels[i + 1])
        ceilings.rise(level)
        cells = ceilings.highest(level, number=i)
        if cells.size > replications:
            cells = _one_of_each(cells, n_arms=n_arms, rng=rng)
        np.remainder(cells, n_arms, arms)
        pulls[cells] = count = pulls[cells] + 1.0
        total[cells] = paid = total[cells] + table[cells]
        weight = 1.0 / count
        ceilings.move(cells, paid * weight, weight, later)
    ceilings.rise(np.asarray(levels[size]))


def _one_of_each(cells: IntArray, *, n_arms: int, rng: np.random.Generator) -> IntArray:
    """Of ``cells``, which lie row after row, one in each row, evenly."""
    rows = cells // n_arms
    order = np.lexsort((rng.random(cells.size), rows))
    return cells[order[np.diff(rows, prepend=-1) > 0]]
