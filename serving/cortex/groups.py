"""What was read, by experiment: heads, pasts, and what becomes of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qbrix.errors import QbrixError, Unavailable
from serving.cortex.closings import Closings
from serving.cortex.columns import Dead
from serving.cortex.deployments import Deployments, Live
from serving.cortex.foresight import Guess
from serving.cortex.learn import Learned
from serving.cortex.lessons import Lesson, learned_of
from serving.cortex.past import Past, pasts_of
from serving.cortex.reading import Portion
from serving.storage.base import FeedbackEvent, Ledger
from serving.storage.records_windows import Progress
from serving.storage.rows import is_id

__all__ = ["Groups", "grouped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """Feedback of one read, with all that learning from it needs.

    ``behind`` is the progress of experiments whose decisions came late to the log; ``guesses`` is
    what was learned ahead.
    """

    events: Mapping[str, Sequence[FeedbackEvent]]
    heads: Mapping[str, Live]
    dead: Sequence[Dead]
    pasts: Mapping[str, Past]
    behind: Mapping[str, Progress]
    closings: Closings
    guesses: Mapping[str, Guess]

    async def learned(self, ledger: Ledger, *, asks: bool) -> dict[str, Learned]:
        """What becomes of every experiment's events; raises Unavailable."""
        guesses = {name: self._guessed(name) for name in self.heads}
        guessed = {name: guess for name, guess in guesses.items() if guess is not None}
        others = [
            Lesson(
                head=live,
                events=self.events[name],
                closed=self._closed(name),
                past=self.pasts.get(name),
            )
            for name, live in self.heads.items()
            if name not in guessed
        ]
        return guessed | await learned_of(ledger, others, asks=asks)

    def _guessed(self, name: str) -> Learned | None:
        guess = self.guesses.get(name)
        if guess is None or name in self.pasts:
            return None
        lesson = guess.lesson
        holds = lesson.head is self.heads[name] and lesson.closed == self._closed(name)
        return guess.learned if holds else None

    def _closed(self, name: str) -> Progress:
        return self.behind.get(name) or self.closings.of(name)


async def grouped(
    ledger: Ledger,
    deployments: Deployments,
    closings: Closings,
    portion: Portion,
    guesses: Mapping[str, Guess],
) -> Groups:
    """Reads what is needed before the step begins; raises Unavailable."""
    heads, dead = await _heads(deployments, portion.events)
    return Groups(
        events=portion.events,
        heads=heads,
        dead=dead,
        pasts=await pasts_of(ledger, closings.windows, heads, portion.events),
        behind=closings.falls_back(portion.decisions.events),
        closings=closings,
        guesses=guesses,
    )


async def _heads(
    deployments: Deployments, groups: Mapping[str, Sequence[FeedbackEvent]]
) -> tuple[dict[str, Live], list[Dead]]:
    """The heads of the experiments; events of one that cannot learn here are dead."""
    heads: dict[str, Live] = {}
    dead: list[Dead] = []
    for name, events in groups.items():
        reason = "there is no such experiment any more"
        live: Live | None = None
        try:
            live = await deployments.get(name) if is_id(name) else None
        except Unavailable:
            raise
        except QbrixError as error:
            reason = f"its policy cannot run here: {error}"
        if live is None:
            dead += [Dead(event, reason) for event in events]
        else:
            heads[name] = live
    return heads, dead
