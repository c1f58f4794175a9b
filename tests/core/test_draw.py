"""The platform's draw: exact intervals on a lattice, reproducible from ids."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.draw import draw, edges, edges_of_one, mix_floor, uniform, uniforms

KEY = b"0123456789abcdef"
WEIGHTS = st.lists(st.floats(0.0, 1.0, width=64), min_size=1, max_size=12).filter(
    lambda weights: sum(weights) > 1e-3
)


def test_uniform_is_the_top_53_bits_of_a_keyed_hash() -> None:
    word = hashlib.blake2b(b"exp\x003\x00" + b"ab" * 16, digest_size=8, key=KEY).digest()
    expected = int.from_bytes(word, "big") // 2**11 / 2**53
    assert uniform(KEY, experiment="exp", epoch=3, decision_id="ab" * 16) == expected


def test_uniform_depends_on_all_it_is_given() -> None:
    given_ = [("e", 0, "x"), ("f", 0, "x"), ("e", 1, "x"), ("e", 0, "y"), ("e", 10, "x")]
    numbers = {
        uniform(key, experiment=experiment, epoch=epoch, decision_id=decision)
        for key in (KEY, KEY[::-1])
        for experiment, epoch, decision in given_
    }
    assert len(numbers) == 2 * len(given_)


def test_the_numbers_of_many_decisions_are_those_of_each() -> None:
    ids = [f"{index:032x}" for index in range(300)] + ["", "né"]
    each = [uniform(KEY, experiment="e", epoch=2, decision_id=one) for one in ids]
    assert uniforms(KEY, experiment="e", epoch=2, decision_ids=ids).tolist() == each
    assert uniforms(KEY, experiment="e", epoch=2, decision_ids=[]).tolist() == []


def test_uniform_numbers_are_uniform() -> None:
    """20,000 ids in 20 equal bins; Chernoff: one off by more than 190 has p < 1e-6. Fixed ids."""
    numbers = [
        uniform(KEY, experiment="e", epoch=0, decision_id=f"{index:032x}")
        for index in range(20_000)
    ]
    counts = np.bincount((np.array(numbers) * 20).astype(int), minlength=20)
    assert np.abs(counts - 1000).max() <= 190
    assert min(numbers) >= 0.0
    assert max(numbers) < 1.0


@settings(max_examples=300)
@given(weights=WEIGHTS, word=st.integers(0, 2**53 - 1))
def test_the_drawn_interval_holds_the_number_to_the_bit(weights: list[float], word: int) -> None:
    law = np.array(weights) / sum(weights)
    u = word / 2.0**53
    drawn = draw(edges(law), u)
    assert drawn.low <= u < drawn.low + drawn.propensity
    assert drawn.u == u
    assert drawn.propensity == pytest.approx(law[drawn.arm], abs=1e-14)


@settings(max_examples=100)
@given(weights=WEIGHTS)
def test_edges_are_increasing_and_end_in_one(weights: list[float]) -> None:
    upper = edges(np.array(weights) / sum(weights))
    assert upper[-1] == 1.0
    assert (np.diff(upper, prepend=0.0) >= 0.0).all()
    assert ((upper * 2.0**53) % 1.0 == 0.0).all()


def test_an_arm_of_probability_zero_is_never_drawn() -> None:
    upper = edges(np.array([0.0, 0.5, 0.0, 0.5, 0.0]))
    ends = [0.0, np.nextafter(0.5, 0.0), 0.5, 1.0 - 2.0**-53]
    assert [draw(upper, float(u)).arm for u in ends] == [1, 1, 3, 3]


def test_edges_of_one_law_have_the_bits_of_edges() -> None:
    rng = np.random.default_rng(5)
    laws = [rng.dirichlet(np.full(n, 0.3)) for n in (1, 2, 10, 300)]
    laws += [np.array([0.0, 0.0, 1.0, 0.0]), np.array([1.0]), np.array([0.0, 0.3, 0.0])]
    assert all(edges_of_one(law) == edges(law).tolist() for law in laws)


def test_edges_of_many_laws_at_once_are_those_of_each() -> None:
    laws = np.random.default_rng(2).dirichlet(np.ones(4), size=(3, 2))
    upper = edges(laws)
    assert all((upper[i, j] == edges(laws[i, j])).all() for i in range(3) for j in range(2))


def test_the_floor_is_mixed_in_over_allowed_arms() -> None:
    law = np.array([1.0, 0.0, 0.0])
    assert mix_floor(law, floor=0.0) is law
    assert mix_floor(law, floor=0.3).tolist() == pytest.approx([0.8, 0.1, 0.1])
    mask = np.array([True, True, False])
    assert mix_floor(law, floor=0.5, mask=mask).tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert mix_floor(law, floor=1.0).tolist() == pytest.approx([1 / 3] * 3)
