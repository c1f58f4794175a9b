"""Named streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.rng import stream


def first(seed: int, *names: str | int) -> float:
    """The first number of a stream."""
    return stream(seed, *names).random()


def test_equal_names_give_equal_numbers() -> None:
    assert (stream(7, "a", 3).random(9) == stream(7, "a", 3).random(9)).all()


def test_seed_and_every_part_of_the_path_matter() -> None:
    paths: list[tuple[str | int, ...]] = [(), ("a",), ("b",), ("a", "b"), ("a", 1), ("a", "1")]
    paths += [("ab",), ("a", 0), ("a", ""), ("b", "a")]
    numbers = {first(seed, *path) for seed in (0, 1, 2**70) for path in paths}
    assert len(numbers) == 3 * len(paths)


def test_numpy_seeds_are_integers_too() -> None:
    assert first(5, "a") == stream(np.int64(5), "a").random()  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 1.0, True, None, "7"])
def test_other_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(InvalidParameter, match="expected an integer >= 0"):
        stream(seed, "a")
