"""Logistic clicks, the wheel, and data frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qbrix.environments import Classification, Logistic, Wheel, from_spec
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.rng import stream


def test_clicks_are_logistic_in_the_features_and_contexts_end_with_a_constant() -> None:
    environment = Logistic([[2.0], [0.0]], intercepts=[0.5, -1.0])
    (rounds,) = environment.play(stream(3), replications=7, horizon=11)
    assert rounds.contexts is not None
    assert environment.dim == 2
    assert (rounds.contexts[..., 1] == 1.0).all()
    odds = np.log(rounds.means / (1.0 - rounds.means))
    np.testing.assert_allclose(odds[..., 0], 0.5 + 2.0 * rounds.contexts[..., 0], atol=1e-9)
    np.testing.assert_allclose(odds[..., 1], -1.0, atol=1e-9)


def test_random_logistic_instances_have_weights_of_the_given_strength() -> None:
    environment = Logistic.random(n_arms=3, dim=4, seed=1, strength=1.5, intercept=-2.0)
    np.testing.assert_allclose((environment.weights**2).sum(1), 2.25, atol=1e-12)
    assert environment.intercepts.tolist() == [-2.0] * 3


def test_the_wheel_pays_as_the_paper_says() -> None:
    """Inside arm 0; outside 1 for (+, +), 2 for (+, −), 3 for (−, +), 4 for (−, −)."""
    wheel = Wheel(delta=0.5, sd=0.0)
    contexts = np.array([[0.1, 0.1], [0.6, 0.6], [0.6, -0.6], [-0.6, 0.6], [-0.6, -0.6]])
    radius = np.sqrt((contexts**2).sum(1))
    expected = np.full((5, 5), 1.0)
    expected[:, 0] = 1.2
    expected[[1, 2, 3, 4], [1, 2, 3, 4]] = 50.0
    np.testing.assert_array_equal(wheel._means(contexts, radius), expected)


def test_contexts_of_the_wheel_are_uniform_in_the_disk() -> None:
    """100,000 of them: a share δ² lies within δ, each quadrant has a quarter; 6 errors each."""
    (rounds,) = Wheel(delta=0.8).play(stream(3), replications=1000, horizon=100)
    assert rounds.contexts is not None
    x, y = rounds.contexts[..., 0], rounds.contexts[..., 1]
    assert (x**2 + y**2).max() <= 1.0 + 1e-12
    assert abs((rounds.best == 1.2).mean() - 0.64) <= 6.0 * np.sqrt(0.64 * 0.36 / 100_000)
    for quadrant in ((x > 0) & (y > 0), (x > 0) & (y < 0), (x < 0) & (y > 0)):
        assert abs(quadrant.mean() - 0.25) <= 6.0 * np.sqrt(0.25 * 0.75 / 100_000)


def test_a_frame_gives_numbers_standardised_and_all_else_one_hot() -> None:
    frame = pd.DataFrame(
        {
            "size": [1, 2, 3, 4],
            "same": [7.0, 7.0, 7.0, 7.0],
            "old": [True, False, False, True],
            "colour": pd.Categorical(["red", "blue", "red", "green"]),
            "kind": ["a", "b", "a", "b"],
        }
    )
    environment = Classification.from_frame(frame, label="kind")
    spread = np.sqrt(1.25)
    expected = [
        [-1.5 / spread, 0.0, 1.0, 0.0, 1.0, 1.0],
        [-0.5 / spread, 0.0, 0.0, 0.0, 0.0, 1.0],
        [0.5 / spread, 0.0, 0.0, 0.0, 1.0, 1.0],
        [1.5 / spread, 0.0, 1.0, 1.0, 0.0, 1.0],
    ]
    np.testing.assert_allclose(environment.features, expected, atol=1e-12)
    assert environment.labels == ["a", "b"]
    raw = Classification.from_frame(frame[["size", "kind"]], label="kind", standardise=False)
    assert raw.features[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_frame_that_does_not_fit_is_refused_by_column() -> None:
    frame = pd.DataFrame({"size": [1.0, None], "kind": ["a", "b"]})
    with pytest.raises(InvalidParameter, match="column 'size' has missing values"):
        Classification.from_frame(frame, label="kind")
    with pytest.raises(UnknownName, match="did you mean kind"):
        Classification.from_frame(frame, label="knd")
    frame["size"] = pd.to_datetime(["2024-01-01", "2024-01-02"])
    with pytest.raises(InvalidParameter, match="column 'size' holds points in time"):
        Classification.from_frame(frame, label="kind")
    keys = pd.DataFrame({"key": [f"k{i}" for i in range(1001)], "kind": ["a"] * 1001})
    with pytest.raises(InvalidParameter, match="column 'key' has 1001 different values"):
        Classification.from_frame(keys, label="kind")


@pytest.mark.parametrize(
    ("name", "rows", "dim", "classes"),
    [("iris", 150, 5, 3), ("wine", 178, 14, 3), ("breast_cancer", 569, 31, 2)],
)
def test_sets_of_scikit_learn_come_back_from_their_specs(
    name: str, rows: int, dim: int, classes: int
) -> None:
    environment = Classification.from_sklearn(name)
    assert (environment.length, environment.dim, environment.n_arms) == (rows, dim, classes)
    np.testing.assert_allclose(environment.features[:, :-1].mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(environment.features[:, :-1].std(0), 1.0, atol=1e-12)
    assert from_spec(environment.spec()).spec() == environment.spec()


def test_a_spec_of_other_data_is_not_taken_for_the_set_of_that_name() -> None:
    spec = Classification.from_sklearn("iris").spec()
    spec["parameters"]["sha256"] = "0" * 64
    with pytest.raises(InvalidParameter, match="'iris' is not the one of the spec"):
        from_spec(spec)
    with pytest.raises(UnknownName, match="did you mean iris"):
        Classification.from_sklearn("irs")


@pytest.mark.parametrize("means", [(1.0, 1.2, 50.0), (1.2, 1.0), (60.0, 1.0, 50.0)])
def test_a_wheel_whose_exploration_cannot_pay_is_refused(means: tuple[float, ...]) -> None:
    with pytest.raises(InvalidParameter, match=r"Wheel\.means.*expected three numbers"):
        Wheel(means=means)
