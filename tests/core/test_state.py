"""States: declared shapes, one byte form, digests, and what is refused."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.state import (
    State,
    array,
    copy_state,
    digest,
    from_bytes,
    grown,
    leading_shape,
    resolve_sizes,
    stack,
    take,
    to_bytes,
    zeros,
)
from qbrix.types import Array, BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example(State):
    """One field of each dtype."""

    pulls: Array = array("K")
    window: IntArray = array(3, "K", dtype="int64")
    seen: BoolArray = array("d", dtype="bool")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Other(State):
    """Another name for the same arrays."""

    pulls: Array = array("K")
    window: IntArray = array(3, "K", dtype="int64")
    seen: BoolArray = array("d", dtype="bool")


def example(seed: int = 1) -> Example:
    """K = 2, d = 4."""
    rng = np.random.default_rng(seed)
    return Example(pulls=rng.random(2), window=rng.integers(0, 9, (3, 2)), seen=rng.random(4) < 0.5)


def test_zeros_have_the_declared_shapes_behind_leading_axes() -> None:
    state = zeros(Example, leading=(5,), K=2, d=4)
    shapes = [value.shape for value in (state.pulls, state.window, state.seen)]
    assert shapes == [(5, 2), (5, 3, 2), (5, 4)]
    assert (leading_shape(state), resolve_sizes(state)) == ((5,), {"K": 2, "d": 4})


def test_a_state_beyond_the_limit_is_refused_before_it_takes_memory() -> None:
    # 2**28 bytes: (8 + 3 * 8) K + d with K = 1, so d = 2**28 - 32 fits and one more does not.
    assert zeros(Example, leading=(2,), K=1, d=2**28 - 32).seen.shape == (2, 2**28 - 32)
    with pytest.raises(InvalidParameter, match=r"268,435,457 bytes.*268,435,456"):
        zeros(Example, K=1, d=2**28 - 31)
    with pytest.raises(InvalidParameter, match="K = 1000000000000000"):
        zeros(Example, K=10**15, d=1)


def test_a_letter_without_a_size_is_named() -> None:
    with pytest.raises(StateMismatch, match=r"\['d'\].*'seen'"):
        zeros(Example, K=2)


def test_a_field_without_a_shape_is_named() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Undeclared(State):
        pulls: Array

    with pytest.raises(StateMismatch, match=r"Undeclared\.pulls declares no shape"):
        resolve_sizes(Undeclared(pulls=np.zeros(2)))


def test_only_three_dtypes_can_be_declared() -> None:
    with pytest.raises(StateMismatch, match="'float32'"):
        array("K", dtype="float32")


def test_sizes_must_agree_between_fields() -> None:
    torn = Example(pulls=np.zeros(2), window=np.zeros((3, 5), dtype=np.int64), seen=np.zeros(1) > 0)
    with pytest.raises(StateMismatch, match=r"state\.window has shape \(3, 5\): K = 5, but 2"):
        resolve_sizes(torn)
    flat = Example(pulls=np.zeros(2), window=np.zeros(3, dtype=np.int64), seen=np.zeros(1) > 0)
    with pytest.raises(StateMismatch, match=r"expected \(\.\.\., 3, K\)"):
        resolve_sizes(flat)


def test_leading_axes_must_agree_between_fields() -> None:
    torn = Example(
        pulls=np.zeros((7, 2)), window=np.zeros((3, 2), dtype=np.int64), seen=np.zeros((7, 1)) > 0
    )
    with pytest.raises(StateMismatch, match="leading axes differ"):
        leading_shape(torn)


def test_stack_and_take_are_inverse() -> None:
    states = [example(1), example(2)]
    together = stack(states)
    assert leading_shape(together) == (2,)
    assert [digest(take(together, row)) for row in range(2)] == [digest(s) for s in states]


def test_a_copy_shares_no_memory() -> None:
    state = example()
    copied = copy_state(state)
    copied.pulls[0] += 1.0
    assert copied.pulls[0] != state.pulls[0]


def test_bytes_are_a_header_and_little_endian_numbers() -> None:
    """The layout is a promise: logs of today are read tomorrow."""
    state = Example(
        pulls=np.array([1.0, -2.5]),
        window=np.arange(6).reshape(3, 2),
        seen=np.array([True, False]),
    )
    data = to_bytes(state)
    assert data[:5] == b"QBST\x01"
    size = struct.unpack_from("<I", data, 5)[0]
    header = json.loads(data[9 : 9 + size])
    assert header["state"] == "Example"
    assert header["fields"][1] == {"name": "window", "dtype": "int64", "shape": [3, 2]}
    body = struct.pack("<2d6q2?", 1.0, -2.5, *range(6), True, False)
    assert data[9 + size :] == body


def test_bytes_come_back_as_the_same_state() -> None:
    state = stack([example(1), example(2)])
    again = from_bytes(Example, to_bytes(state))
    assert digest(again) == digest(state)
    assert again.pulls.flags.writeable


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"PK" + data, "not a qbrix state"),
        (lambda data: data[:7], "not a qbrix state"),
        (lambda data: data[:9] + b"!" + data[10:], "header of the state bytes is damaged"),
        (lambda data: data[:-1], "end within the array 'seen'"),
        (lambda data: data + b"\0", "number of state bytes"),
        (lambda data: data.replace(b'"pulls"', b'"polls"'), "state fields"),
        (lambda data: data.replace(b"float64", b"uint64 "), "dtype of pulls"),
    ],
)
def test_damaged_bytes_are_refused(damage: object, message: str) -> None:
    assert callable(damage)
    with pytest.raises(StateMismatch, match=message):
        from_bytes(Example, damage(to_bytes(example())))


def test_bytes_of_another_class_are_refused() -> None:
    with pytest.raises(StateMismatch, match="state type is 'Example', expected 'Other'"):
        from_bytes(Other, to_bytes(example()))


def test_digests_tell_values_names_and_shapes_apart() -> None:
    state = example()
    nudged = copy_state(state)
    nudged.pulls[0] = np.nextafter(nudged.pulls[0], 2.0)
    renamed = Other(pulls=state.pulls, window=state.window, seen=state.seen)
    lifted = stack([state])
    digests = {digest(item) for item in (state, nudged, renamed, lifted)}
    assert len(digests) == 4
    assert all(len(text) == 64 for text in digests)


def test_memory_layout_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    window = rng.integers(0, 9, (3, 2))
    state = Example(pulls=rng.random(2), window=window, seen=np.zeros(1) > 0)
    turned = Example(pulls=state.pulls, window=np.asfortranarray(window), seen=state.seen)
    assert digest(turned) == digest(state)


def test_more_arms_keep_what_is_known_of_the_old_ones() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Pairs(State):
        wins: Array = array("K", "K")
        seen: Array = array("w", "K")
        count: Array = array()

    old = Pairs(wins=np.ones((2, 2)), seen=np.full((3, 2), 7.0), count=np.array(5.0))
    fresh = Pairs(wins=np.zeros((3, 3)), seen=np.full((3, 3), -1.0), count=np.array(0.0))
    more = grown(old, fresh)
    assert more.wins.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert more.seen.tolist() == [[7, 7, -1]] * 3
    assert more.count == 5.0
    assert fresh.wins.sum() == 0.0


def test_a_state_whose_other_sizes_depend_on_the_arms_is_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Packed(State):
        numbers: Array = array("m")

    with pytest.raises(StateMismatch, match=r"state.numbers has shape \(4,\).*cannot get more"):
        grown(Packed(numbers=np.zeros(4)), Packed(numbers=np.zeros(6)))
