"""Laws of counts as atoms, by ratios from their mode: no factorial, no logarithm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qbrix.policies._points import atoms_best_arm
from qbrix.types import Array, BoolArray


def binomial(trials: float, chance: float) -> tuple[Array, Array]:
    """Counts and their probabilities, (m,) each; less than 1e-13 of the mass is left out."""
    if chance <= 0.0 or chance >= 1.0 or trials == 0.0:
        return np.array([trials if chance >= 1.0 else 0.0]), np.ones(1)
    odds = chance / (1.0 - chance)
    mode = min(np.floor((trials + 1.0) * chance), trials)
    reach = _reach(trials * chance * (1.0 - chance))
    first, last = max(mode - reach, 0.0), min(mode + reach, trials)
    return from_ratios(first, mode, last, up=lambda count: (trials - count) / (count + 1.0) * odds)


def hypergeometric(marked: float, rest: float, drawn: float) -> tuple[Array, Array]:
    """Marked ones among `drawn` of ``marked + rest`` without replacement, as in `binomial`."""
    total = marked + rest
    lowest, highest = max(drawn - rest, 0.0), min(drawn, marked)
    mode = np.floor((drawn + 1.0) * (marked + 1.0) / (total + 2.0))
    mode = min(max(mode, lowest), highest)
    reach = _reach(drawn * (marked / total) * (rest / total)) if total else 0.0

    def up(count: Array) -> Array:
        lost = rest - drawn + count + 1.0
        return (marked - count) / (count + 1.0) * ((drawn - count) / lost)

    return from_ratios(max(mode - reach, lowest), mode, min(mode + reach, highest), up=up)


def from_ratios(
    first: float, mode: float, last: float, *, up: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Counts from first to last and their law, given the ratio of each weight to the one before."""
    counts = np.arange(first, last + 1.0)
    ratios = up(counts[:-1])
    at = int(mode - first)
    right = np.cumprod(ratios[at:])
    left = np.cumprod(1.0 / ratios[:at][::-1])[::-1]
    weights = np.concatenate([left, np.ones(1), right])
    weights /= weights.sum()
    return counts, weights


def counts_best_arm(
    laws: list[tuple[Array, Array]], *, leading: tuple[int, ...], mask: BoolArray | None
) -> Array:
    """`atoms_best_arm` for laws of different sizes, one per row and arm in C order."""
    longest = max(len(values) for values, _ in laws)
    atoms, weights = np.zeros((2, len(laws), longest))
    for row, (values, law) in enumerate(laws):
        atoms[row, : len(values)] = values
        weights[row, : len(law)] = law
    shape = (*leading, len(laws) // int(np.prod(leading, dtype=np.int64)), longest)
    return atoms_best_arm(atoms.reshape(shape), weights.reshape(shape), mask=mask)


def _reach(variance: float) -> float:
    """Distance beyond which Bernstein's inequality leaves at most exp(−32)."""
    return float(np.ceil(8.0 * np.sqrt(variance) + 22.0))
