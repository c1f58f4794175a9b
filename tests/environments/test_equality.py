"""Environments are values: what is described alike is equal."""

from __future__ import annotations

import numpy as np

from qbrix.environments import (
    Bernoulli,
    Binomial,
    Classification,
    Delayed,
    Environment,
    Poisson,
    from_gymnasium,
    to_gymnasium,
)


class Coins(Bernoulli):
    """A class of its own, with the same parameters."""


def test_equal_specs_make_equal_environments() -> None:
    assert Bernoulli([0.9, 0.8]) == Bernoulli(np.array([0.9, 0.8]))
    assert Bernoulli([0.9, 0.8]) != Bernoulli([0.8, 0.9])
    assert Binomial([0.5], trials=1) != Binomial([0.5], trials=1, pays="count")
    assert Delayed(Bernoulli([0.9]), delay=3) == Delayed(Bernoulli([0.9]), delay=3)
    assert Delayed(Bernoulli([0.9]), delay=3) != Delayed(Bernoulli([0.8]), delay=3)


def test_environments_of_different_classes_differ() -> None:
    assert Bernoulli([0.9]) != Poisson([0.9])
    assert Bernoulli([0.9]) != Coins([0.9])
    assert Bernoulli([0.9]) != Bernoulli([0.9]).spec()


def test_equal_environments_are_one_member_of_a_set() -> None:
    worlds: set[Environment] = {Bernoulli([0.9]), Bernoulli([0.9]), Bernoulli([0.8]), Poisson([1])}
    assert len(worlds) == 3


def test_a_spec_that_does_not_say_everything_makes_nothing_equal() -> None:
    """Both functions go by the name of ``<lambda>``, and a wrapper knows no more than it wraps."""
    good, bad = (
        from_gymnasium(lambda mean=mean: to_gymnasium(Bernoulli([mean]), horizon=1))  # type: ignore[misc]
        for mean in (0.9, 0.1)
    )
    assert good.spec() == bad.spec()
    assert good != bad
    assert Delayed(good, delay=1) != Delayed(bad, delay=1)
    assert good == good  # noqa: PLR0124 (it equals itself)
    rows = [[0.0], [1.0]]
    assert Classification(rows, ["a", "b"]) != Classification(rows, ["a", "b"])
