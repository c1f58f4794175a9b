"""Fixed points and the race between discrete laws, against sums worked by hand."""

from __future__ import annotations

import numpy as np

from qbrix.policies._points import POINTS, atoms_best_arm, points


def test_points_are_multiples_of_roots() -> None:
    """½√2 = .70711, ½√3 = .86603; 1½√2 = 2.12132."""
    np.testing.assert_allclose(points(2)[0], [0.7071068, 0.8660254], atol=1e-7)
    np.testing.assert_allclose(points(2)[1, 0], 0.1213203, atol=1e-7)


def test_points_are_spread_evenly() -> None:
    """No interval [0, x) in one coordinate is off by more than a few points of 1024."""
    for column in points(5).T:
        even = (np.arange(POINTS) + 0.5) / POINTS
        assert np.abs(np.sort(column) - even).max() < 4.0 / POINTS


def test_two_dice() -> None:
    """A die against 2 or 5, one half each: (4/6 + ½/6)/2 against 2, (1/6 + ½/6)/2 against 5."""
    atoms = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 5.0, 0.0, 0.0, 0.0, 0.0]])
    weights = np.array([[1 / 6] * 6, [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(atoms_best_arm(atoms, weights), [0.5, 0.5], atol=1e-15)


def test_three_coins_share_ties() -> None:
    """Fair coins 0/1 and a sure 1: all tie (1/4), two tie (1/2), alone (1/4): 1/12 + 1/4 + 1/4."""
    atoms = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    found = atoms_best_arm(atoms, np.full((3, 2), 0.5))
    np.testing.assert_allclose(found, [5 / 24, 5 / 24, 7 / 12], atol=1e-15)


def test_a_masked_arm_takes_no_part() -> None:
    atoms = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    mask = np.array([True, True, False])
    assert atoms_best_arm(atoms, np.full((3, 2), 0.5), mask=mask).tolist() == [0.5, 0.5, 0.0]


def test_leading_axes_are_races_of_their_own() -> None:
    atoms = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])
    assert atoms_best_arm(atoms, np.ones(1)).tolist() == [[0.0, 1.0], [1.0, 0.0]]
