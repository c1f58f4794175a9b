"""Which rewards of a decision count."""

from __future__ import annotations

from itertools import permutations

import pytest

from qbrix.errors import InvalidParameter
from qbrix.ledger import Aggregation, Attribution, Configuration, Disposition, PolicyRef
from qbrix.ledger.attribution import Told, conclusion
from qbrix.ledger.names import retraction_id

HELD, FOLDED, DEFAULT, CLOSED = (
    Disposition.HELD,
    Disposition.FOLDED,
    Disposition.DEFAULT,
    Disposition.CLOSED,
)
STORY = [Told("b", HELD, 0.25, 20), Told("a", HELD, 0.5, 10), Told("c", HELD, 0.125, 30)]


@pytest.mark.parametrize(
    ("aggregation", "expected"), [("first", 0.5), ("sum", 0.875), ("max", 0.5), ("last", 0.125)]
)
def test_a_window_comes_to_the_same_in_whatever_order_its_rewards_were_stored(
    aggregation: Aggregation, expected: float
) -> None:
    attribution = Attribution(window_s=60.0, aggregation=aggregation)
    for story in permutations(STORY):
        assert conclusion(story, attribution) == (CLOSED, expected)


def test_what_was_taken_back_is_left_out() -> None:
    attribution = Attribution(window_s=60.0, aggregation="sum", default_reward=0.0)
    take = Told(retraction_id("a"), Disposition.WITHDRAWAL, 0.0, 40)
    assert conclusion([*STORY, take], attribution) == (CLOSED, 0.375)
    assert conclusion([STORY[1], take], attribution) == (DEFAULT, 0.0)


def test_the_default_stands_for_a_reward_that_never_came_and_for_no_other() -> None:
    attribution = Attribution(window_s=60.0, default_reward=0.25)
    came = Told("", FOLDED, 1.0, 10)
    late = Told("", Disposition.LATE, 1.0, 90_000)
    assert conclusion([], attribution) == (DEFAULT, 0.25)
    assert conclusion([late], attribution) == (DEFAULT, 0.25)
    assert conclusion([came], attribution) is None
    assert conclusion([], Attribution(window_s=60.0)) is None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"window_s": 0.0}, "window_s = 0.0"),
        ({"window_s": float("inf")}, "window_s = inf"),
        ({"default_reward": 0.0}, "default_reward = 0.0 is learned when the window closes"),
        ({"aggregation": "max"}, "aggregation = 'max' is learned when the window closes"),
        ({"window_s": 1.0, "aggregation": "mean"}, "aggregation = 'mean'"),
        ({"window_s": 1.0, "default_reward": float("nan")}, "default_reward = nan"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        Attribution(**settings)  # type: ignore[arg-type]


def test_a_configuration_carries_it_and_is_silent_where_nothing_is_set() -> None:
    ref = PolicyRef(name="BetaTSPolicy@1")
    plain = Configuration(policy=ref, n_arms=2)
    set_up = Configuration(
        policy=ref, n_arms=2, attribution=Attribution(window_s=3.5, default_reward=0.0)
    )
    assert "attribution" not in plain.to_json()
    for configuration in (plain, set_up):
        assert Configuration.from_json(configuration.to_json()) == configuration
