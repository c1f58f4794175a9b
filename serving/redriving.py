"""Dead letters: what they hold, and how they get another chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qbrix.errors import QbrixError, StateMismatch, Unavailable
from serving.storage import codec
from serving.storage.base import DeadLetter, DecisionEvent, FeedbackEvent, Stores
from serving.storage.rows import is_id
from serving.tokens import LIFETIME_S

__all__ = ["Held", "Redriven", "held_in", "redrive"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """The events of a letter: of one kind, or none when nobody can read them."""

    feedback: Sequence[FeedbackEvent] = ()
    decisions: Sequence[DecisionEvent] = ()

    @property
    def experiments(self) -> set[str]:
        """Whose they are."""
        told = {event.experiment for event in self.feedback}
        return told | {event.experiment for event in self.decisions}


@dataclass(frozen=True, kw_only=True, slots=True)
class Redriven:
    """What became of a letter; without a ``problem`` it is on its way."""

    letter: DeadLetter
    problem: str | None = None


def held_in(letter: DeadLetter) -> Held:
    """Read a letter with the formats of this version, whatever version buried it."""
    try:
        return Held(feedback=codec.unpack_feedback(letter.payload))
    except StateMismatch:
        pass
    try:
        return Held(decisions=codec.unpack_decisions(letter.payload))
    except StateMismatch:
        return Held()


async def redrive(stores: Stores, letters: Sequence[DeadLetter], *, now_ms: int) -> list[Redriven]:
    """Put the events of letters back into the streams of their shards, oldest first.

    A letter is marked when its events are on disk. Who is killed in between sends them once more;
    the ledger counts them once: it remembers for longer than a token lives what it counted, and
    what is older than that is not sent again. What is still poison is buried again, as a letter of
    its own.
    Raises Unavailable when a store is away; what was sent before stays sent.
    """
    done: list[Redriven] = []
    for letter in sorted(letters, key=lambda one: one.id):
        try:
            held = held_in(letter)
            _check_age(held, now_ms=now_ms)
            await _redrive(stores, held)
        except Unavailable:
            raise
        except QbrixError as error:
            done.append(Redriven(letter=letter, problem=str(error)))
            continue
        await stores.archive.mark_redriven([letter.id])
        done.append(Redriven(letter=letter))
    return done


def _check_age(held: Held, *, now_ms: int) -> None:
    oldest_ms = min((event.decided_ms for event in held.feedback), default=now_ms)
    if now_ms - oldest_ms > 1000 * LIFETIME_S:
        days = (now_ms - oldest_ms) / 86_400_000
        raise StateMismatch(
            f"its decision is {days:.0f} days old: the ledger may have forgotten by now whether "
            "the reward was counted"
        )


async def _redrive(stores: Stores, held: Held) -> None:
    if not held.experiments:
        raise StateMismatch("this version cannot read it; a newer one may have written it")
    shards = {name: await _shard(stores, name) for name in held.experiments}
    for event in held.feedback:
        await stores.intake.append_feedback(shards[event.experiment], [event])
    for decision in held.decisions:
        await stores.intake.append_decisions(shards[decision.experiment], [decision])


async def _shard(stores: Stores, experiment: str) -> int:
    record = await stores.ledger.experiment(experiment) if is_id(experiment) else None
    if record is None:
        raise StateMismatch(f"its experiment {experiment!r} was deleted, or never was")
    return record.shard
