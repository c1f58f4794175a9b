"""Environments whose means change: drifting, seasonal, adversarial, replaced items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from qbrix.environments import (
    Adversarial,
    Drifting,
    Environment,
    ItemReplacement,
    PiecewiseStationary,
    Rounds,
    Seasonal,
    from_spec,
)
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.rng import stream


def played(environment: Environment, *, horizon: int = 100, replications: int = 50) -> Rounds:
    """One block."""
    (rounds,) = environment.play(
        stream(5), replications=replications, horizon=horizon, block=horizon
    )
    return rounds


def test_a_drifting_mean_moves_by_its_step_and_stays_between_the_ends() -> None:
    """Steps far from the ends are normal: 19,800 of them, sd within 6 standard errors of 0.01."""
    means = played(Drifting([0.5, 0.5], step=0.01), replications=100).means
    assert (means[0] == 0.5).all()
    steps = np.diff(means, axis=0)
    assert abs(steps.std() - 0.01) <= 6.0 * 0.01 / np.sqrt(2.0 * steps.size)

    bounded = played(Drifting([0.3], step=0.5, low=0.2, high=0.4)).means
    assert 0.2 <= bounded.min() < 0.21
    assert 0.39 < bounded.max() <= 0.4


def test_a_reflected_walk_turns_back_at_the_end() -> None:
    """0.9 + 0.3 is 1.2, which is 0.2 beyond the end: 0.8."""
    walk = Drifting([0.9], step=1.0)._reflected(np.array([0.9, 1.2, -0.25, 2.1, 1.0, 0.0]))
    np.testing.assert_allclose(walk, [0.9, 0.8, 0.25, 0.1, 1.0, 0.0], atol=1e-12)


def test_a_season_swings_around_its_level() -> None:
    environment = Seasonal([0.5, 0.6], amplitudes=[0.3, 0.0], periods=[8, 5], phases=[0.25, 0.0])
    means = played(environment, horizon=9).means[:, 0]
    half = 0.3 * np.sqrt(0.5)
    expected = [0.8, 0.5 + half, 0.5, 0.5 - half, 0.2, 0.5 - half, 0.5, 0.5 + half, 0.8]
    np.testing.assert_allclose(means[:, 0], expected, atol=1e-12)
    np.testing.assert_allclose(means[:, 1], 0.6, atol=1e-12)


def test_the_best_single_arm_is_that_of_the_rounds_that_are_played() -> None:
    environment = Adversarial([[1.0, 0.0], [0.0, 0.5], [0.0, 0.75]])
    assert played(environment, horizon=2).best[:, 0].tolist() == [1.0, 0.0]
    assert played(environment, horizon=3).best[:, 0].tolist() == [0.0, 0.5, 0.75]
    dynamic = Adversarial(environment.rewards, comparator="round")
    assert played(dynamic, horizon=3).best[:, 0].tolist() == [1.0, 0.5, 0.75]


@pytest.mark.parametrize(
    ("rewards", "support"),
    [
        ([[0, 1]], "binary"),
        ([[0, 0.5]], "bounded"),
        ([[0, 2.0]], "nonnegative"),
        ([[0, -2.0]], "continuous"),
    ],
)
def test_a_table_has_the_narrowest_support_that_holds_it(rewards: Any, support: str) -> None:
    assert Adversarial(rewards).reward == support


def test_a_long_table_is_named_by_its_digest_and_cannot_be_rebuilt() -> None:
    environment = Adversarial(np.zeros((20_000, 2)))
    assert set(environment.parameters()) == {"rounds", "arms", "comparator", "sha256"}
    with pytest.raises(InvalidParameter, match="20000 rounds by its digest only"):
        from_spec(environment.spec())


def test_the_constrained_adversary_keeps_its_gap_while_the_level_leaps() -> None:
    environment = PiecewiseStationary.constrained_adversary(n_arms=3, gap=0.1, horizon=100)
    means = played(environment).means[:, 0]
    np.testing.assert_allclose(means[:, 0] - means[:, 1:].max(1), 0.1, atol=1e-12)
    assert set(means[:, 0]) == {0.1, 1.0}
    np.testing.assert_array_equal(environment.changes[:6], [1, 2, 3, 5, 8, 13])


def test_items_are_replaced_at_their_rate_by_items_of_their_law() -> None:
    """100,000 chances at 2 %, and 50,000 first items of Beta(2, 6): mean 1/4, variance 1/48.

    6 standard errors each: false alarm below 1e-8 under a new seed.
    """
    environment = ItemReplacement(n_arms=10, rate=0.02, alpha=2.0, beta=6.0)
    means = played(environment, horizon=101, replications=100).means
    replaced = np.diff(means, axis=0) != 0.0
    assert abs(replaced.mean() - 0.02) <= 6.0 * np.sqrt(0.02 * 0.98 / 100_000)
    first = played(environment, horizon=1, replications=5000).means
    assert abs(first.mean() - 0.25) <= 6.0 * np.sqrt(1.0 / 48.0 / 50_000)
    news = means[1:][replaced]
    assert abs(news.mean() - 0.25) <= 6.0 * np.sqrt(1.0 / 48.0 / news.size)


def test_items_that_never_go_stay() -> None:
    means = played(ItemReplacement(n_arms=3, rate=0.0)).means
    assert (means == means[0]).all()
    always = played(ItemReplacement(n_arms=3, rate=1.0)).means
    assert (np.diff(always, axis=0) != 0.0).all()


def test_what_a_spec_does_not_fit_is_said() -> None:
    with pytest.raises(UnknownName, match="did you mean Drifting"):
        from_spec({"id": "Drifing", "parameters": {}})
    with pytest.raises(UnknownName, match="Drifting@2"):
        from_spec({"id": "Drifting@2", "parameters": {}})
    with pytest.raises(InvalidParameter, match=r"\['mean'\] do not fit Drifting@1"):
        from_spec({"id": "Drifting@1", "parameters": {"mean": [0.5]}})
    for broken in (None, "Drifting", {"id": "Drifting@1", "parameters": None}):
        with pytest.raises(InvalidParameter, match="expected a mapping"):
            from_spec(cast(Any, broken))
    with pytest.raises(InvalidParameter, match="expected a mapping with 'id' and 'parameters'"):
        from_spec({"id": "Drifting@1"})


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Drifting([0.5], low=0.6), r"Drifting.means = \[0.5\], expected one number in \[0.6,"),
    (lambda: Drifting([0.5], low=0.6, high=0.6), "Drifting.high = 0.6, expected a number above"),
    (lambda: Drifting([0.5], step=-1.0), "Drifting.step = -1.0"),
    (lambda: Seasonal([0.9], amplitudes=0.2, periods=5), r"out of \[0, 1\]; expected at most"),
    (lambda: Seasonal([0.5], amplitudes=0.2, periods=0), "Seasonal.periods = 0"),
    (lambda: Adversarial([1.0, 0.0]), "Adversarial.rewards has shape .2,., expected a matrix"),
    (lambda: Adversarial([[1.0]], comparator="all"), "comparator = 'all'"),  # type: ignore[arg-type]
    (lambda: ItemReplacement(rate=1.5), r"ItemReplacement.rate = 1.5, expected .* in \[0, 1\]"),
    (lambda: ItemReplacement(alpha=0), "ItemReplacement.alpha = 0, expected a number > 0"),
    (lambda: ItemReplacement(n_arms=True), "ItemReplacement.n_arms = True"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED)
def test_what_does_not_fit_is_refused_by_name(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        make()
