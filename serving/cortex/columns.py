"""Feedback of one experiment in columns: what folds, what is only recorded, what is neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qbrix.ledger import Configuration, Deployment, Disposition, Rows
from qbrix.support import RewardSupport, described, rescaled, supported
from qbrix.types import Array, BoolArray, IntArray
from serving.storage.records import FeedbackEvent
from serving.storage.rows import are_ids, is_id

__all__ = ["Columns", "Dead", "columns_of"]

_LEARNED = (Disposition.FOLDED, Disposition.HELD, Disposition.CLOSED, Disposition.DEFAULT)


@dataclass(frozen=True, slots=True)
class Dead:
    """An event that the ledger cannot take, and why."""

    event: FeedbackEvent
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one experiment in the order of the stream, their numbers as arrays of n."""

    events: Sequence[FeedbackEvent]
    arms: IntArray
    rewards: Array
    u: Array
    low: Array
    propensities: Array
    epochs: IntArray
    dispositions: IntArray

    def rows(self, indices: Sequence[int], *, context: bool) -> Rows:
        """The rows at ``indices``; their contexts and recorded numbers have one width each."""
        every = len(indices) == len(self.events)
        chosen = self.events if every else [self.events[index] for index in indices]
        at = np.asarray(indices, dtype=np.int64)
        return Rows(
            decision_ids=tuple([event.decision_id for event in chosen]),
            feedback_ids=tuple([event.feedback_id for event in chosen]),
            arms=self.arms[at],
            rewards=self.rewards[at],
            u=self.u[at],
            low=self.low[at],
            propensities=self.propensities[at],
            state_versions=_integers([event.version for event in chosen]),
            epochs=self.epochs[at],
            dispositions=self.dispositions[at],
            decided_ms=_integers([event.decided_ms for event in chosen]),
            received_ms=_integers([event.received_ms for event in chosen]),
            contexts=_contexts(chosen) if context else None,
            recorded=_recorded(chosen),
        )

    def faults(self, deployment: Deployment) -> dict[int, str]:
        """Index → what is wrong, for every row that cannot be taken."""
        faults: dict[int, str] = {}
        for good, reason in self._laws(deployment):
            for index in np.flatnonzero(~good).tolist():
                faults.setdefault(index, reason)
        return faults

    def _laws(self, deployment: Deployment) -> Iterator[tuple[BoolArray, str]]:
        """What holds for a good row, with the sentence for those where it does not."""
        events, configuration = self.events, deployment.configuration
        capabilities = deployment.policy.capabilities
        recorded_only = ~np.isin(self.dispositions, _LEARNED)
        k, epoch = configuration.n_arms, deployment.epoch
        yield (
            _ids([event.decision_id for event in events]),
            "the decision id is not 32 lowercase hex characters",
        )
        yield (
            _without_nul([event.feedback_id for event in events]),
            "the feedback id contains the character NUL",
        )
        yield self.epochs <= epoch, f"the decision belongs to an epoch after {epoch}"
        yield (
            (self.arms >= 0) & ((self.arms < k) | recorded_only),
            f"the arm is not one of 0 … {k - 1}",
        )
        yield (
            (self.u >= self.low) & (self.u < self.low + self.propensities),
            "the draw is not in the interval of its arm: low <= u < low + propensity is broken",
        )
        yield self.propensities <= 1.0, "the propensity is greater than 1"
        yield np.isfinite(self.rewards), "the reward is not finite"
        yield from self._reward_laws(configuration, capabilities.reward, recorded_only)
        if configuration.dim:
            yield from self._context_laws(8 * configuration.dim, recorded_only)
        widths = _integers([len(event.recorded) for event in events])
        yield (
            (widths == capabilities.recorded) | recorded_only,
            f"the decision did not record {capabilities.recorded} numbers",
        )

    def _reward_laws(
        self, configuration: Configuration, support: RewardSupport, recorded_only: BoolArray
    ) -> Iterator[tuple[BoolArray, str]]:
        rewards, span = self.rewards, configuration.reward_range
        if span is not None:
            inside = (rewards >= span[0]) & (rewards <= span[1])
            yield (
                inside | recorded_only,
                f"the reward is outside the declared reward_range [{span[0]}, {span[1]}]",
            )
            rewards = rescaled(np.where(inside, rewards, span[0]), span)
        scaled = "" if span is None else ", once it is rescaled,"
        yield (
            supported(rewards, support) | recorded_only,
            f"the reward{scaled} is not {described(support)}",
        )

    def _context_laws(
        self, width: int, recorded_only: BoolArray
    ) -> Iterator[tuple[BoolArray, str]]:
        sizes = _integers([len(event.context) for event in self.events])
        yield (
            (sizes == width) | (recorded_only & (sizes == 0)),
            f"the context is not {width // 8} features of 8 bytes",
        )
        blank = bytes(width)
        joined = b"".join(e.context if len(e.context) == width else blank for e in self.events)
        numbers = np.frombuffer(joined, dtype="<f8").reshape(len(self.events), -1)
        yield np.isfinite(numbers).all(-1), "the context contains a value that is not finite"


def columns_of(events: Sequence[FeedbackEvent], kinds: IntArray) -> Columns:
    """Columns of events with what becomes of each, (n,)."""
    return Columns(
        events=events,
        arms=_integers([event.arm for event in events]),
        rewards=_numbers([event.reward for event in events]),
        u=_numbers([event.u for event in events]),
        low=_numbers([event.low for event in events]),
        propensities=_numbers([event.propensity for event in events]),
        epochs=_integers([event.epoch for event in events]),
        dispositions=kinds,
    )


def _ids(words: Sequence[str]) -> BoolArray:
    return np.ones(len(words), dtype=bool) if are_ids(words) else _flags(map(is_id, words))


def _without_nul(words: Sequence[str]) -> BoolArray:
    if "\x00" not in "".join(words):
        return np.ones(len(words), dtype=bool)
    return _flags("\x00" not in word for word in words)


def _contexts(events: Sequence[FeedbackEvent]) -> Array | None:
    if not events[0].context:
        return None
    flat = np.frombuffer(b"".join([event.context for event in events]), dtype="<f8")
    return flat.reshape(len(events), -1).astype(np.float64)


def _recorded(events: Sequence[FeedbackEvent]) -> Array | None:
    if not events[0].recorded:
        return None
    return np.array([event.recorded for event in events], dtype=np.float64)


def _integers(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _numbers(values: list[float]) -> Array:
    return np.array(values, dtype=np.float64)


def _flags(values: Iterator[bool]) -> NDArray[np.bool_]:
    return np.array(list(values), dtype=bool)
