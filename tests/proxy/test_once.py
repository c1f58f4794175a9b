"""A key that comes twice is found in whatever body it comes; a body without one is let through."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.errors import InvalidRequest
from serving.proxy.agent.messages import SelectRequest
from serving.proxy.agent.once import check_keys, keys_of_select

_names = st.sampled_from(['"a"', '"b"', '"c:d"', r'"e\":"', r'"\u0061"'])  # the last is "a" too
_space = st.sampled_from(["", " ", "\t", "\n", "\r "])
_plain = st.sampled_from(["1", "null", '"x"', '":"', r'"\":1"', "[1, 2]"])


def _object(pairs: list[tuple[str, str, str, str]]) -> str:
    return "{" + ",".join(f"{name}{a}:{b}{value}" for name, a, b, value in pairs) + "}"


_inner = st.lists(st.tuples(_names, _space, _space, _plain), max_size=3).map(_object)
_values = _plain | _inner | _inner.map("[{}]".format)
_objects = st.lists(st.tuples(_names, _space, _space, _values), max_size=4).map(_object)


def _has_double(body: str) -> bool:
    found = False

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        found |= len(dict(pairs)) < len(pairs)
        return dict(pairs)

    json.loads(body, object_pairs_hook=look)
    return found


@settings(max_examples=300)
@given(metadata=_objects, properties=st.none() | _objects, id=st.sampled_from(["u", "u:v", 'u":']))
def test_a_double_is_found_wherever_it_is(metadata: str, properties: str | None, id: str) -> None:
    context = f'"id": {json.dumps(id)}, "metadata": {metadata}'
    if properties is not None:
        context += f', "properties" :{properties}'
    body = f'{{"experiment_id": "x", "context": {{{context}}}}}'
    found = keys_of_select(msgspec.json.decode(body, type=SelectRequest))
    with pytest.raises(InvalidRequest) if _has_double(body) else nullcontext():
        check_keys(body.encode(), found=found)
