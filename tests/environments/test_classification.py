"""Data sets as bandits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from qbrix.environments import Classification
from qbrix.errors import InvalidParameter, ShapeError
from qbrix.rng import stream


def test_digits_are_1797_rows_of_64_pixels_and_a_bias() -> None:
    digits = Classification.digits()
    assert (digits.length, digits.dim, digits.n_arms, digits.labels) == (
        1797,
        65,
        10,
        list(range(10)),
    )
    assert digits.features[:, :64].min() == 0.0
    assert digits.features[:, :64].max() == 1.0
    assert (digits.features[:, 64] == 1.0).all()


def test_every_replication_sees_every_row_once_in_an_order_of_its_own() -> None:
    environment = Classification(np.arange(50.0)[:, None], np.arange(50) % 3, bias=False)
    (rounds,) = environment.play(stream(1), replications=3, horizon=50)
    assert rounds.contexts is not None
    shown = rounds.contexts[..., 0]
    assert np.array_equal(np.sort(shown, axis=0), np.tile(np.arange(50.0)[:, None], 3))
    assert not np.array_equal(shown[:, 0], shown[:, 1])
    assert not np.array_equal(shown[:, 0], np.arange(50.0))


def test_exactly_the_right_class_pays() -> None:
    features = pd.DataFrame({"size": [0.0, 1.0, 2.0]})
    environment = Classification(features, pd.Series(["pear", "fig", "pear"]))
    assert environment.labels == ["fig", "pear"]
    (rounds,) = environment.play(stream(1), replications=2, horizon=3)
    assert rounds.contexts is not None
    is_fig = rounds.contexts[..., 0] == 1.0
    assert np.array_equal(rounds.rewards[..., 0], is_fig.astype(float))
    assert np.array_equal(rounds.rewards[..., 1], (~is_fig).astype(float))


def test_a_bunch_is_divided_by_its_scale() -> None:
    bunch = SimpleNamespace(data=[[2.0], [4.0]], target=[0, 1])
    environment = Classification.from_bunch(bunch, scale=4.0)
    assert environment.features.tolist() == [[0.5, 1.0], [1.0, 1.0]]


def test_the_spec_tells_data_sets_of_one_size_apart() -> None:
    one = Classification([[0.0], [1.0]], [0, 1])
    other = Classification([[0.0], [2.0]], [0, 1])
    assert one.spec() != other.spec()
    assert one.spec() == Classification([[0.0], [1.0]], [0, 1]).spec()


def test_more_rounds_than_rows_are_refused() -> None:
    environment = Classification([[0.0], [1.0]], [0, 1])
    with pytest.raises(InvalidParameter, match="horizon = 3, but Classification ends after 2"):
        environment.play(stream(1), replications=1, horizon=3)


def test_shapes_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(ShapeError, match=r"features have shape \(2,\)"):
        Classification([0.0, 1.0], [0, 1])
    with pytest.raises(ShapeError, match=r"target has shape \(3,\), expected \(2,\)"):
        Classification([[0.0], [1.0]], [0, 1, 1])
    with pytest.raises(InvalidParameter, match="not finite; fill or drop"):
        Classification([[np.nan], [1.0]], [0, 1])
    with pytest.raises(InvalidParameter, match="features are not all numbers"):
        Classification([["red"]], [0])
