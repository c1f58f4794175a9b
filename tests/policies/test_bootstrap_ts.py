"""Bootstrap Thompson sampling: laws by counting."""

from __future__ import annotations

import numpy as np

from qbrix.policies.bootstrap_ts import BootstrapTSPolicy
from tests.policies.numbers import law, seen


def test_two_arms_by_counting() -> None:
    """Bin(4, ¾)/4 against Bin(2, ½)/2: weights (1, 12, 54, 108, 81)/256 and (1, 2, 1)/4.

    0 ties 0; ¼ beats 0; ½ beats 0, ties ½; ¾ beats 0 and ½; 1 beats these, ties 1:
    (½ + 12 + 54 · 2 + 108 · 3 + 81 · 3.5)/1024.
    """
    expected = (0.5 * 1 + 12 * 1 + 54 * (1 + 1) + 108 * 3 + 81 * 3.5) / 1024
    found = law(BootstrapTSPolicy(), seen([2, 0], [2, 0]))
    np.testing.assert_allclose(found, [expected, 1 - expected], atol=1e-9)


def test_more_invented_pairs_pull_to_the_middle() -> None:
    """With 500 invented pairs 4 of 4 and 0 of 4 look nearly alike."""
    few = law(BootstrapTSPolicy(prior_pairs=1), seen([4, 4], [4, 0]))[0]
    many = law(BootstrapTSPolicy(prior_pairs=500), seen([4, 4], [4, 0]))[0]
    assert 0.5 < many < 0.6 < few


def test_nothing_seen_is_an_even_choice() -> None:
    np.testing.assert_allclose(
        law(BootstrapTSPolicy(), BootstrapTSPolicy().init(n_arms=5)), [0.2] * 5, atol=1e-9
    )
