"""The judge knows which rewards count: worked by hand for each aggregation, and every lie found."""

from __future__ import annotations

from typing import Any

import pytest

from qbrix.bundle import BundleResolver
from qbrix.ledger import (
    Attribution,
    Batch,
    Configuration,
    Control,
    Deployment,
    Disposition,
    PolicyRef,
    genesis,
)
from qbrix.ledger.names import CLOSE, correction_id, retraction_id
from tests.faults.attributed import attribution_breaches
from tests.faults.evidence import RewardKey
from tests.faults.rows import Row

WINDOW_MS = 1000
DECIDED_MS = 50_000
Story = list[tuple[str, Disposition, float, int]]


def deployments(aggregation: Any) -> dict[tuple[str, int], Deployment]:
    attribution = Attribution(
        window_s=WINDOW_MS / 1000, default_reward=0.25, aggregation=aggregation
    )
    ref = PolicyRef(name="GaussianTSPolicy@1", parameters={})
    configuration = Configuration(policy=ref, n_arms=3, dim=0, attribution=attribution)
    control = Control(reason="create", configuration=configuration, start="init")
    made = genesis("e", Batch(epoch=0, version=0, control=control), BundleResolver())
    return {("e", version): made for version in range(20)}


def rows_of(story: Story) -> dict[RewardKey, list[Row]]:
    """Feedback id, disposition, reward, and after how many milliseconds it came; one a version."""
    return {
        ("e", 0, "d", feedback_id): [
            Row(
                version=version,
                ordinal=0,
                epoch=0,
                disposition=kind,
                numbers=(reward, 0.0, 0.5, 0.0, 1.0, 0.0, float(DECIDED_MS)),
                context=b"",
                received_ms=DECIDED_MS + waited_ms,
            )
        ]
        for version, (feedback_id, kind, reward, waited_ms) in enumerate(story, start=1)
    }


def breaches(story: Story, aggregation: str = "first", *, exact: bool = True) -> list[str]:
    return list(attribution_breaches(rows_of(story), deployments(aggregation), exact=exact))


HELD, CLOSED, DEFAULT = Disposition.HELD, Disposition.CLOSED, Disposition.DEFAULT
FOLDED, LATE, RETRACTED = Disposition.FOLDED, Disposition.LATE, Disposition.RETRACTED
RETRACTION, WITHDRAWAL = Disposition.RETRACTION, Disposition.WITHDRAWAL


@pytest.mark.parametrize(("aggregation", "comes_to"), [("sum", 2.0), ("max", 1.25), ("last", 0.75)])
def test_rewards_that_waited_are_learned_as_one(aggregation: str, comes_to: float) -> None:
    story: Story = [("a", HELD, 1.25, 10), ("b", HELD, 0.75, 20), (CLOSE, CLOSED, comes_to, 1000)]
    assert breaches(story, aggregation) == []
    story[-1] = (CLOSE, CLOSED, comes_to + 0.5, 1000)
    assert "its rewards come to" in breaches(story, aggregation)[0]


def test_the_last_reward_is_the_last_that_was_received() -> None:
    story: Story = [("a", HELD, 1.0, 30), ("b", HELD, 0.5, 20), (CLOSE, CLOSED, 1.0, 1000)]
    assert breaches(story, "last") == []


def test_a_decision_without_a_reward_gets_the_default() -> None:
    assert breaches([(CLOSE, DEFAULT, 0.25, 1000)]) == []
    assert breaches([(CLOSE, DEFAULT, 0.5, 1000)])
    assert breaches([("", FOLDED, 1.0, 10), (CLOSE, DEFAULT, 0.25, 1000)])


def test_what_was_taken_back_does_not_count() -> None:
    take = retraction_id("a")
    held: Story = [("a", HELD, 1.0, 10), ("b", HELD, 0.5, 20), (take, WITHDRAWAL, 1.0, 30)]
    assert breaches([*held, (CLOSE, CLOSED, 0.5, 1000)], "sum") == []
    assert breaches([*held, (CLOSE, CLOSED, 1.5, 1000)], "sum")
    folded: Story = [("a", FOLDED, 1.0, 10), (take, RETRACTION, 1.0, 20)]
    assert breaches([*folded, (CLOSE, DEFAULT, 0.25, 1000)]) == []
    assert "takes back" in breaches([folded[0], (take, RETRACTION, 0.5, 20)])[0]


def test_a_window_closes_again_when_what_it_came_to_is_taken_back() -> None:
    story: Story = [
        ("a", HELD, 1.0, 10),
        ("b", HELD, 0.5, 20),
        (CLOSE, CLOSED, 1.5, 1000),
        (retraction_id("b"), RETRACTION, 0.5, 3000),
        (correction_id("b"), CLOSED, 1.0, 3000),
    ]
    assert breaches(story, "sum") == []
    story[-1] = (correction_id("b"), CLOSED, 1.5, 3000)
    assert breaches(story, "sum")


def test_late_is_what_came_after_the_window_or_its_close() -> None:
    assert breaches([("", LATE, 1.0, WINDOW_MS + 1)]) == []
    assert breaches([(CLOSE, DEFAULT, 0.25, 1000), ("", LATE, 1.0, 900)]) == []
    assert breaches([("", LATE, 1.0, WINDOW_MS)])
    assert breaches([("", LATE, 1.0, WINDOW_MS)], exact=False) == []
    assert breaches([("", FOLDED, 1.0, WINDOW_MS)]) == []
    assert breaches([("", FOLDED, 1.0, WINDOW_MS + 1)])


def test_a_reward_is_held_exactly_when_rewards_count_together() -> None:
    assert breaches([("", HELD, 1.0, 10)], "first")
    assert breaches([("", FOLDED, 1.0, 10)], "sum")


def test_nothing_is_retracted_that_nobody_took_back() -> None:
    assert breaches([("", RETRACTED, 1.0, 10)])
    assert breaches([(retraction_id(""), WITHDRAWAL, 0.0, 5), ("", RETRACTED, 1.0, 10)]) == []
