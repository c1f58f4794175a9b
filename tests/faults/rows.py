"""Rewards, and what became of them, as the ledger has them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from qbrix.ledger import Disposition
from qbrix.ledger.names import CLOSE
from serving.storage.base import CommittedBatch
from tests.faults.evidence import RewardKey

__all__ = ["Row", "index", "is_closing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row: ``numbers`` are reward, arm, u, low, propensity, state version, decided."""

    version: int
    ordinal: int
    epoch: int  # of its batch
    disposition: Disposition
    numbers: tuple[float, ...]
    context: bytes
    received_ms: int

    @property
    def reward(self) -> float:
        """What was paid."""
        return self.numbers[0]

    @property
    def waited_ms(self) -> int:
        """From the decision to the reward."""
        return self.received_ms - int(self.numbers[6])


def is_closing(key: RewardKey) -> bool:
    """Whether no client sent this row: it says what a window came to."""
    return key[3].startswith(CLOSE)


def index(rows: dict[RewardKey, list[Row]], name: str, batches: Collection[CommittedBatch]) -> None:
    """Add the rows of an experiment's batches, in order."""
    for stored in batches:
        found = stored.batch.rows
        if found is None:
            continue
        for n, decision in enumerate(found.decision_ids):
            key = (name, int(found.epochs[n]), decision, found.feedback_ids[n])
            numbers = (
                *(found.rewards[n], found.arms[n], found.u[n], found.low[n]),
                *(found.propensities[n], found.state_versions[n], found.decided_ms[n]),
            )
            context = b"" if found.contexts is None else found.contexts[n].astype("<f8").tobytes()
            rows.setdefault(key, []).append(
                Row(
                    version=stored.batch.version,
                    ordinal=n,
                    epoch=stored.batch.epoch,
                    disposition=Disposition(int(found.dispositions[n])),
                    numbers=tuple(map(float, numbers)),
                    context=context,
                    received_ms=int(found.received_ms[n]),
                )
            )
