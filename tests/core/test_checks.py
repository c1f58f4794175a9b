"""Declared ranges and the sentences that refuse what breaks them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from qbrix.checks import (
    check_context,
    check_mask,
    check_parameters,
    check_rewards,
    describe_constraints,
    middle,
    param,
    parameter_specs,
)
from qbrix.errors import InvalidParameter, ShapeError, SupportError


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """One hyper-parameter of each kind."""

    share: float = param(0.5, gte=0, lt=1, doc="a share")
    depth: int = param(gt=0, doc="a depth", structural=True)
    lazy: bool = param(False, doc="a switch")
    name: str = param("a", doc="a word")

    def __post_init__(self) -> None:
        check_parameters(self)


def test_declarations_are_listed_in_order() -> None:
    specs = parameter_specs(Knobs)
    assert [spec.name for spec in specs] == ["share", "depth", "lazy", "name"]
    assert [spec.required for spec in specs] == [False, True, False, False]
    assert [spec.default for spec in specs] == [0.5, None, False, "a"]
    assert specs[0].constraints == {"gte": 0, "lt": 1}
    assert [spec.structural for spec in specs] == [False, True, False, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 1.0},
        {"share": -1e-9},
        {"share": math.nan},
        {"share": math.inf},
        {"share": True},
        {"share": "0.5"},
        {"depth": 0},
        {"depth": 1.0},
        {"depth": True},
        {"lazy": 1},
        {"name": None},
    ],
)
def test_what_breaks_a_declaration_is_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(InvalidParameter, match=rf"Knobs\({name}="):
        Knobs(**{"depth": 1, **wrong})


def test_ends_of_a_range_belong_to_it_as_declared() -> None:
    assert Knobs(depth=1, share=0).share == 0


def test_the_sentence_names_the_range() -> None:
    share, depth, lazy, _ = parameter_specs(Knobs)
    assert describe_constraints(share) == "a finite float >= 0 and < 1"
    assert describe_constraints(depth) == "an integer > 0"
    assert describe_constraints(lazy) == "true or false"


def test_an_undeclared_field_is_refused() -> None:
    @dataclass(frozen=True)
    class Careless:
        eps: float = field(default=0.1)

    with pytest.raises(InvalidParameter, match=r"Careless\.eps declares no constraint"):
        check_parameters(Careless())


def test_the_middle_of_a_range_lies_within_it() -> None:
    share, depth, _, name = parameter_specs(Knobs)
    assert (middle(share), middle(depth)) == (0.5, 1)
    with pytest.raises(InvalidParameter, match="name"):
        middle(name)


@pytest.mark.parametrize(
    ("support", "reward", "accepted"),
    [
        ("binary", 1.0, True),
        ("binary", 0.5, False),
        ("bounded", 0.5, True),
        ("bounded", 1.0000001, False),
        ("bounded", math.nan, False),
        ("nonnegative", 1e9, True),
        ("nonnegative", -1e-9, False),
        ("nonnegative", math.inf, False),
        ("continuous", -1e100, True),
        ("continuous", -1.1e100, False),
        ("nonnegative", 1e300, False),
        ("continuous", math.inf, False),
        ("continuous", math.nan, False),
    ],
)
def test_rewards_must_lie_in_the_support(support: str, reward: float, accepted: bool) -> None:
    rewards = np.array([[0.0, reward]])
    if accepted:
        check_rewards(rewards, support=support, owner="It")
        return
    with pytest.raises(SupportError, match=r"rewards contain .*It learns from"):
        check_rewards(rewards, support=support, owner="It")


def test_a_context_has_the_width_that_is_needed() -> None:
    context = np.array([1.0, 2.0])
    assert check_context(context, dim=2, owner="It") is context
    with pytest.raises(ShapeError, match="context has 2 features, It needs 3"):
        check_context(context, dim=3, owner="It")
    with pytest.raises(ShapeError, match="context has 0 features, It needs 3"):
        check_context(None, dim=3, owner="It")
    with pytest.raises(ShapeError, match=r"expected \(5, 2\)"):
        check_context(context, dim=2, owner="It", leading=(5,))
    with pytest.raises(InvalidParameter, match="not finite"):
        check_context(np.array([np.nan, 1.0]), dim=2, owner="It")


def test_a_mask_allows_an_arm_in_every_row() -> None:
    mask = np.array([[True, False], [False, True]])
    assert check_mask(mask, n_arms=2) is mask
    assert check_mask(None, n_arms=2) is None
    with pytest.raises(ShapeError, match="mask has 2 entries, the state has 3 arms"):
        check_mask(mask, n_arms=3)
    with pytest.raises(InvalidParameter, match="allows no arm"):
        check_mask(np.array([[True, False], [False, False]]), n_arms=2)
