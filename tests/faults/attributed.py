"""Which rewards of a decision count, said once more in the words of the contract.

A reward is learned once; one that came after the window, or was taken back, is not. With ``sum``,
``max`` or ``last`` the rewards of a decision count together when its window closes, and a decision
without any gets the default. A retraction after that makes the window close once more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from qbrix.ledger import Attribution, Deployment, Disposition
from qbrix.ledger.names import retraction_target
from serving.storage.base import DecisionEvent
from tests.faults.evidence import RewardKey
from tests.faults.rows import Row, is_closing

__all__ = ["attribution_breaches", "unclosed"]

Decision: TypeAlias = tuple[str, int, str]
Told: TypeAlias = tuple[str, Row]
Deployments: TypeAlias = Mapping[tuple[str, int], Deployment]

_TAKES = (Disposition.RETRACTION, Disposition.WITHDRAWAL)
_AGGREGATES: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "last": lambda rewards: rewards[-1],
}


def attribution_breaches(
    rows: Mapping[RewardKey, Sequence[Row]], deployments: Deployments, *, exact: bool
) -> Iterator[str]:
    """Rows that the contract disposes of otherwise; ``exact`` if the clocks were right."""
    for decision, story in _stories(rows).items():
        how = _attribution(decision[0], story, deployments)
        if how is None:
            continue
        for place, (feedback_id, row) in enumerate(story):
            before = story[:place]
            if is_closing((*decision, feedback_id)):
                expected = _comes_to(before, how)
                if (row.disposition, row.reward) != expected:
                    yield f"{_named(decision)} closes with {row}, its rewards come to {expected}"
            else:
                for breach in _reward_breaches(feedback_id, row, story, how, exact=exact):
                    yield f"{_named(decision)}, {feedback_id!r}: {breach}"


def unclosed(
    decisions: Iterable[DecisionEvent],
    rows: Mapping[RewardKey, Sequence[Row]],
    deployments: Deployments,
    *,
    before_ms: int,
) -> Iterator[str]:
    """Decisions that were made before a time and whose windows taught nothing, though they should.

    Only where nothing else than ``create`` made what decides: a reset forgets what is open.
    """
    stories = _stories(rows)
    for event in decisions:
        first = deployments[event.experiment, 0].configuration.attribution
        if not first.closes or event.source != "policy" or event.decided_ms >= before_ms:
            continue
        decision = (event.experiment, event.epoch, event.decision_id)
        story = stories.get(decision, [])
        expected = _comes_to(story, first)
        if expected is not None and not any(is_closing((*decision, name)) for name, _ in story):
            yield f"the window of {_named(decision)} is not closed, it comes to {expected}"


def _stories(rows: Mapping[RewardKey, Sequence[Row]]) -> dict[Decision, list[Told]]:
    """The rows of each decision in the order of the ledger."""
    stories: defaultdict[Decision, list[Told]] = defaultdict(list)
    for (experiment, epoch, decision, feedback_id), found in rows.items():
        stories[experiment, epoch, decision] += [(feedback_id, row) for row in found]
    for story in stories.values():
        story.sort(key=lambda told: (told[1].version, told[1].ordinal))
    return stories


def _attribution(name: str, story: Sequence[Told], deployments: Deployments) -> Attribution | None:
    now = deployments.get((name, story[-1][1].version))
    return None if now is None else now.configuration.attribution


def _comes_to(story: Sequence[Told], how: Attribution) -> tuple[Disposition, float] | None:
    """What a window teaches when these rows are there."""
    taken = {retraction_target(name) for name, row in story if row.disposition in _TAKES}
    left = [(name, row) for name, row in story if name not in taken]
    held = sorted(
        (row.received_ms, name, row.reward)
        for name, row in left
        if row.disposition == Disposition.HELD
    )
    if held:
        rewards = [reward for _, _, reward in held]
        return Disposition.CLOSED, _AGGREGATES[how.aggregation](rewards)
    if any(row.disposition == Disposition.FOLDED for _, row in left):
        return None
    return None if how.default_reward is None else (Disposition.DEFAULT, how.default_reward)


def _reward_breaches(
    feedback_id: str, row: Row, story: Sequence[Told], how: Attribution, *, exact: bool
) -> Iterator[str]:
    counts = Disposition.FOLDED if how.aggregation == "first" else Disposition.HELD
    is_late = how.window_ms is not None and row.waited_ms > how.window_ms
    closed = any(is_closing(("", 0, "", name)) for name, _ in story)
    match row.disposition:
        case Disposition.FOLDED | Disposition.HELD:
            if is_late or row.disposition != counts:
                yield f"{row.disposition.name} after {row.waited_ms} ms, under {how}"
        case Disposition.LATE:
            if exact and not is_late and not closed:
                yield f"LATE after {row.waited_ms} ms, under {how}"
        case Disposition.RETRACTED:
            if all(retraction_target(name) != feedback_id for name, _ in story):
                yield "RETRACTED, and nobody took it back"
        case Disposition.RETRACTION | Disposition.WITHDRAWAL:
            target = retraction_target(feedback_id)
            paid = [other.reward for name, other in story if name == target]
            if row.disposition == Disposition.WITHDRAWAL:
                paid.append(0.0)  # of what has not come
            if row.reward not in paid:
                yield f"takes back {row.reward}, and {paid} was paid"


def _named(decision: Decision) -> str:
    return f"decision {decision[0][:8]}/{decision[1]}/{decision[2]}"
