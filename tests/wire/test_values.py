"""Loose values on the wire come back as they were."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.errors import InvalidRequest
from serving.wire.gen import common_pb2
from serving.wire.public.values import as_text, parse, read_struct, read_text, struct

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.dictionaries(texts, values, max_size=4))
def test_a_struct_comes_back_as_it_was(sent: dict[str, Any]) -> None:
    arrived = Struct.FromString(struct(sent).SerializeToString())
    assert read_struct(arrived) == sent


@settings(max_examples=200)
@given(values)
def test_a_text_comes_back_as_it_was(sent: Any) -> None:
    assert read_text(as_text(sent)) == sent


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("fr", "fr"),
        ("5", '"5"'),
        ("true", '"true"'),
        ('"quoted"', '"\\"quoted\\""'),
        (5, "5"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        (["a", 1], '["a",1]'),
        ("", ""),
        ("é", "é"),
        (["é"], '["é"]'),
    ],
)
def test_a_text_is_raw_and_anything_else_is_json(sent: Any, text: str) -> None:
    assert as_text(sent) == text


@pytest.mark.parametrize(
    ("number", "read"), [(2.0, 2), (-0.0, 0), (2.5, 2.5), (1e15, 10**15), (-3.0, -3)]
)
def test_integral_numbers_are_ints(number: float, read: float) -> None:
    found = read_struct(struct({"x": number}))["x"]
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    with pytest.raises(InvalidRequest, match="finite"):
        read_struct(struct({"x": [{"y": number}]}))


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x02\xc3\x28", b"\x0a\x10abc"])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"qbrix\.common\.Context"):
        parse(common_pb2.Context, data)


def test_an_integer_beyond_every_double_is_shown_as_its_digits() -> None:
    assert read_struct(struct({"x": 10**400}))["x"] == "1" + "0" * 400
