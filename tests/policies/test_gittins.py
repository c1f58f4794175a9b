"""Gittins indices: the tables, an index by hand, and optimality on a problem solved in full."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from qbrix.policies.beta_ts import Outcomes
from qbrix.policies.gittins import GittinsPolicy, gittins_index


@pytest.mark.parametrize(
    ("discount", "printed"),
    [
        (0.9, [0.7029, 0.5001, 0.8001, 0.6346]),
        (0.95, [0.7614, 0.5601, 0.8381, 0.6810]),
        (0.99, [0.8699, 0.7005, 0.9102, 0.7844]),
    ],
)
def test_tables_of_gittins_glazebrook_and_weber(discount: float, printed: list[float]) -> None:
    """Tables 8.1 to 8.3 of the book, four digits, at (1,1), (1,2), (2,1), (2,2)."""
    index = gittins_index(
        np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 1.0, 2.0]), discount=discount
    )
    np.testing.assert_allclose(index, printed, atol=5.1e-5)


def test_without_a_future_the_index_is_the_mean() -> None:
    """To first order in γ one goes on after a success only: ½ + γ · ½ (2/3 − 1/2) = ½ + γ/12."""
    index = gittins_index(np.ones(1), np.ones(1), discount=1e-3)
    np.testing.assert_allclose(index, 0.5 + 1e-3 / 12.0, atol=1e-6)


def test_no_policy_does_better_with_two_arms() -> None:
    """The value of following the index equals that of the Bellman optimum, γ = 0.4, 9 rounds."""
    discount, horizon = 0.4, 9
    policy = GittinsPolicy(discount=discount)

    @cache
    def chosen(s: tuple[int, int], f: tuple[int, int]) -> tuple[float, ...]:
        state = Outcomes(successes=np.array(s, dtype=float), failures=np.array(f, dtype=float))
        return tuple(policy.propensities(policy.prepare(state)).tolist())

    @cache
    def value(s: tuple[int, int], f: tuple[int, int], *, best: bool) -> float:
        if sum(s) + sum(f) == horizon:
            return 0.0
        arms = []
        for a in (0, 1):
            p = (1 + s[a]) / (2 + s[a] + f[a])
            won = (s[0] + (a == 0), s[1] + (a == 1))
            lost = (f[0] + (a == 0), f[1] + (a == 1))
            later = p * value(won, f, best=best) + (1 - p) * value(s, lost, best=best)
            arms.append(p + discount * later)
        return max(arms) if best else float(np.dot(chosen(s, f), arms))

    followed, optimal = value((0, 0), (0, 0), best=False), value((0, 0), (0, 0), best=True)
    assert 0.0 <= optimal - followed < discount**horizon
