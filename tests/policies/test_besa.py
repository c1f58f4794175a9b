"""BESA: duels by counting subsamples, tournaments by hand."""

from __future__ import annotations

import numpy as np

from qbrix.policies.besa import BESAPolicy
from tests.policies.numbers import law, seen


def test_a_duel_by_counting_subsamples() -> None:
    """1 of 2 against 3 of 5: two of five have 0, 1, 2 ones with 1/10, 6/10, 3/10.

    The arm with fewer observations wins above and in ties: 0.1 + 0.6.
    """
    np.testing.assert_allclose(law(BESAPolicy(), seen([2, 5], [1, 3])), [0.7, 0.3], atol=1e-9)


def test_equally_observed_arms_share_a_tie() -> None:
    assert law(BESAPolicy(), seen([4, 4], [2, 2])) == [0.5, 0.5]
    assert law(BESAPolicy(), seen([4, 4], [3, 2])) == [1.0, 0.0]


def test_unobserved_arms_come_first() -> None:
    np.testing.assert_allclose(
        law(BESAPolicy(), seen([9, 0, 0], [9, 0, 0])), [0.0, 0.5, 0.5], atol=1e-9
    )


def test_a_tournament_of_three_by_hand() -> None:
    """Arm 2 beats both; arms 0 and 1 are even: it always wins, whoever meets it."""
    assert law(BESAPolicy(), seen([3, 3, 3], [1, 1, 2])) == [0.0, 0.0, 1.0]


def test_a_tournament_with_chance_by_hand() -> None:
    """Arm 0 (1 of 2) beats arms 1 and 2 (3 of 5 each) with .7; they are even.

    One of three plays the final only: arm 0 does with 1/3 and wins .7; else it needs .7².
    """
    found = law(BESAPolicy(), seen([2, 5, 5], [1, 3, 3]))
    champion = 0.7 / 3 + 2 * 0.49 / 3
    np.testing.assert_allclose(found, [champion, (1 - champion) / 2, (1 - champion) / 2], atol=1e-9)


def test_many_arms_have_a_law() -> None:
    found = BESAPolicy().propensities(seen([5] * 7, [1, 1, 1, 1, 1, 1, 3]))
    assert found.tolist() == [0.0] * 6 + [1.0]
