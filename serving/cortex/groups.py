"""What was read, by experiment: heads, keys, pasts, and what becomes of each group."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from qbrix.errors import QbrixError, Unavailable
from serving.cortex.closings import Closings
from serving.cortex.columns import Dead
from serving.cortex.deployments import Deployments, Live
from serving.cortex.learn import Learned, learn
from serving.cortex.past import Past, pasts_of
from serving.storage.base import DecisionEvent, FeedbackEvent, Key, Ledger, LedgerStep
from serving.storage.records_windows import Progress
from serving.storage.rows import are_ids, is_id

__all__ = ["Groups", "grouped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """Feedback of one read, with all that learning from it needs.

    ``behind`` is the progress of experiments whose decisions came late to the log.
    """

    events: Mapping[str, Sequence[FeedbackEvent]]
    heads: Mapping[str, Live]
    dead: Sequence[Dead]
    pasts: Mapping[str, Past]
    behind: Mapping[str, Progress]
    closings: Closings

    async def met(self, step: LedgerStep, names: Collection[str]) -> dict[str, Learned]:
        """What becomes of experiments' events, by what the ledger has of their decisions.

        Nearly always it has nothing: they are learned so while it is asked, and again if it does.
        """
        known, learned = await asyncio.gather(step.known(self._keys(names)), self._all(names))
        return learned | await self._all({key[0] for key in known} & learned.keys(), known)

    async def early(self, ledger: Ledger, *, shard: int, term: int) -> dict[str, Learned]:
        """Experiments whose past is folded again: that may take longer than a transaction may."""
        if not self.pasts:
            return {}
        async with ledger.step(shard, term=term) as step:
            known = await step.known(self._keys(self.pasts))
        return await self._all(self.pasts, known)

    async def _all(self, names: Iterable[str], known: Collection[Key] = ()) -> dict[str, Learned]:
        return {name: await self._learned(name, known) for name in names}

    async def _learned(self, name: str, known: Collection[Key]) -> Learned:
        live = self.heads[name]
        return await asyncio.to_thread(
            learn,
            live.deployment,
            self.events[name],
            known=known,
            resolver=live.resolver,
            past=self.pasts.get(name),
            closed=self.behind.get(name) or self.closings.of(name),
        )

    def _keys(self, names: Iterable[str]) -> list[Key]:
        """Keys that a ledger can hold; events with others are dead anyway."""
        events = [event for name in names for event in self.events[name]]
        if not are_ids([event.decision_id for event in events]):
            events = [event for event in events if is_id(event.decision_id)]
        return [event.key for event in events]


async def grouped(
    ledger: Ledger,
    deployments: Deployments,
    closings: Closings,
    feedback: Sequence[FeedbackEvent],
    decisions: Sequence[DecisionEvent],
) -> Groups:
    """Reads what is needed before the step begins; raises Unavailable."""
    events: dict[str, list[FeedbackEvent]] = {}
    for event in feedback:
        events.setdefault(event.experiment, []).append(event)
    heads, dead = await _heads(deployments, events)
    return Groups(
        events=events,
        heads=heads,
        dead=dead,
        pasts=await pasts_of(ledger, closings.windows, heads, events),
        behind=closings.falls_back(decisions),
        closings=closings,
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
