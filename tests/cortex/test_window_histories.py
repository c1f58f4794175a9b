"""However a history is cut into batches, the same rewards count in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.ledger import Attribution
from serving.storage.base import FeedbackEvent
from serving.storage.memory import memory_stores
from tests.cortex.scene import GRACE_MS, Scene, retraction, scene_of
from tests.cortex.world import event

WINDOW_MS = 60_000
DECISIONS = 6
WAITS_MS = (10, 20, 30, WINDOW_MS, WINDOW_MS + 1)


@dataclass(frozen=True)
class Reward:
    """What somebody sends for a decision; eighths, so that sums are exact in any order."""

    number: int
    name: str
    eighths: int
    waited_ms: int

    def event(self, scene: Scene) -> FeedbackEvent:
        """As it travels."""
        return event(
            scene.record,
            self.number,
            arm=self.number % 2,
            reward=self.eighths / 8,
            feedback_id=self.name,
            waited_ms=self.waited_ms,
        )


rewards = st.builds(
    Reward,
    number=st.integers(0, DECISIONS - 1),
    name=st.sampled_from(("a", "b", "c")),
    eighths=st.integers(0, 2),
    waited_ms=st.sampled_from(WAITS_MS),
)
attributions = st.builds(
    Attribution,
    window_s=st.just(WINDOW_MS / 1000),
    default_reward=st.sampled_from((None, 0.0, 0.125)),
    aggregation=st.sampled_from(("first", "sum", "max", "last")),
)


def _expected(sent: Sequence[Reward], taken: set[tuple[int, str]], how: Attribution) -> list[float]:
    """Successes by arm, from the definition: what counts of every decision at the end."""
    successes = [0.0, 0.0]
    for number in range(DECISIONS):
        counted = sorted(
            (one.waited_ms, one.name, one.eighths / 8)
            for one in {(one.number, one.name): one for one in reversed(sent)}.values()
            if one.number == number
            and one.waited_ms <= WINDOW_MS
            and (one.number, one.name) not in taken
        )
        paid = [reward for _, _, reward in counted]
        successes[number % 2] += _together(paid, how)
    return successes


def _together(paid: Sequence[float], how: Attribution) -> float:
    if not paid:
        return how.default_reward or 0.0
    if how.aggregation == "max":
        return max(paid)
    return paid[-1] if how.aggregation == "last" else sum(paid)


@settings(max_examples=30)
@given(
    how=attributions,
    sent=st.lists(rewards, max_size=10),
    data=st.data(),
)
def test_cuts_duplicates_and_the_moment_of_a_retraction_change_nothing(
    how: Attribution, sent: list[Reward], data: st.DataObject
) -> None:
    """A reward comes before what takes it back; everything else is open."""
    taken = set(
        data.draw(st.lists(st.sampled_from([(one.number, one.name) for one in sent]), max_size=4))
        if sent
        else []
    )
    first = {(one.number, one.name): one for one in reversed(sent)}
    again = data.draw(st.lists(st.sampled_from(sent), max_size=3)) if sent else []
    after_close = {key for key in taken if data.draw(st.booleans())}

    async def play() -> None:
        scene = await scene_of(memory_stores(), how)
        await scene.log(*range(DECISIONS), arms=2)
        now_ms = 100
        for one in [*sent, *again]:
            await scene.send(one.event(scene))
            if data.draw(st.booleans()):
                await scene.at(now_ms)
        for key in sorted(taken - after_close):
            await scene.send(retraction(first[key].event(scene)))
            if data.draw(st.booleans()):
                await scene.at(now_ms)
        await scene.at(WINDOW_MS + GRACE_MS + 100)
        for key in sorted(after_close):
            await scene.send(retraction(first[key].event(scene)))
            if data.draw(st.booleans()):
                await scene.at(2 * WINDOW_MS)
        await scene.at(2 * WINDOW_MS)
        assert await scene.successes() == _expected(sent, taken, how)

    asyncio.run(play())
