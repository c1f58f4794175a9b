"""Linear rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.environments import LinearContextual, environments
from qbrix.errors import InvalidParameter
from qbrix.rng import stream


def test_means_are_inner_products_of_context_and_weights() -> None:
    environment = LinearContextual([[1.0, 2.0], [0.0, -1.0]], noise=0.0)
    (rounds,) = environment.play(stream(3), replications=5, horizon=7)
    assert rounds.contexts is not None
    x, y = rounds.contexts[..., 0], rounds.contexts[..., 1]
    np.testing.assert_allclose(rounds.means[..., 0], x + 2.0 * y, atol=1e-12)
    np.testing.assert_allclose(rounds.means[..., 1], -y, atol=1e-12)
    assert np.array_equal(rounds.rewards, rounds.means)


def test_noise_has_the_given_scale_and_is_independent_of_the_context() -> None:
    """40,000 numbers, 5 standard deviations of each estimate: false alarm below 2e-6 together."""
    environment = LinearContextual.random(n_arms=2, dim=2, seed=1, noise=0.5)
    (rounds,) = environment.play(stream(4), replications=400, horizon=100)
    assert rounds.contexts is not None
    noise = (rounds.rewards - rounds.means)[..., 0]
    assert abs(noise.mean()) <= 5.0 * 0.5 / 200.0
    assert abs(noise.std() - 0.5) <= 5.0 * 0.5 / np.sqrt(80_000)
    assert abs((noise * rounds.contexts[..., 0]).mean()) <= 5.0 * 0.5 / 200.0


def test_contexts_on_the_sphere_have_length_one() -> None:
    environment = LinearContextual.random(n_arms=2, dim=6, contexts="sphere")
    (rounds,) = environment.play(stream(4), replications=10, horizon=10)
    assert rounds.contexts is not None
    np.testing.assert_allclose((rounds.contexts**2).sum(-1), 1.0, atol=1e-12)


def test_random_instances_follow_their_seed_and_have_weights_of_length_one() -> None:
    a, b = (LinearContextual.random(n_arms=3, dim=4, seed=7) for _ in range(2))
    assert np.array_equal(a.weights, b.weights)
    assert not np.array_equal(a.weights, LinearContextual.random(n_arms=3, dim=4, seed=8).weights)
    np.testing.assert_allclose((a.weights**2).sum(-1), 1.0, atol=1e-12)


def test_it_can_be_rebuilt_from_its_spec() -> None:
    environment = LinearContextual.random(n_arms=2, dim=3, contexts="sphere", noise=0.2)
    again = environments.get("linear_contextual")(**environment.parameters())
    assert again.spec() == environment.spec()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"weights": [1.0, 2.0]}, r"weights has shape \(2,\)"),
        ({"weights": [[float("inf")]]}, "numbers that is finite"),
        ({"weights": [["a"]]}, "a row per arm"),
        ({"weights": [[1.0]], "noise": -0.1}, r"noise = -0.1"),
        ({"weights": [[1.0]], "noise": float("nan")}, r"noise = nan"),
        ({"weights": [[1.0]], "noise": "loud"}, r"noise = 'loud'"),
        ({"weights": [[1.0]], "contexts": "cube"}, r"contexts='cube'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        LinearContextual(**arguments)
