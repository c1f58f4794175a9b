"""A whole ledger folded in order, retractions included."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from qbrix.errors import StateMismatch
from qbrix.ledger.course import Resolver, refold, retracts, taken_back
from qbrix.ledger.disposition import Disposition
from qbrix.ledger.fold import Deployment, fold, genesis
from qbrix.ledger.rows import Batch

__all__ = ["Replay", "learned_since", "spaced"]


class Replay:
    """Folds batches one after the other, and again from before what a batch takes back.

    It keeps the batches of the epoch and some of its deployments, the more of them the later they
    are: a retraction of a young reward is cheap.

    Parameters
    ----------
    experiment : str
    resolver : Resolver
        Finds the policies.
    start : Deployment, optional
        What to go on from; without it the first batch makes version 0.
    """

    def __init__(
        self, experiment: str, resolver: Resolver, *, start: Deployment | None = None
    ) -> None:
        self.experiment = experiment
        self.now = start
        self._resolver = resolver
        self._batches: list[Batch] = []
        self._kept = [] if start is None else [start]

    def take(self, batch: Batch) -> Deployment:
        """The deployment after the next batch; raises as `fold`."""
        if self.now is None:
            made = genesis(self.experiment, batch, self._resolver)
        elif retracts(batch):
            made = self._refolding(self.now, batch)
        else:
            made = fold(self.now, batch, self._resolver)
        if batch.control is not None and batch.control.start != "keep":
            self._batches, self._kept = [], []
        self._batches.append(batch)
        self._keep(made)
        self.now = made
        return made

    def _refolding(self, now: Deployment, batch: Batch) -> Deployment:
        bound = learned_since(batch)
        self._kept = [one for one in self._kept if one.version <= bound]
        if not self._kept:
            raise StateMismatch(
                f"version {batch.version} takes back a reward of version {bound}, "
                f"which epoch {now.epoch} does not have"
            )
        start = self._kept[-1]
        behind = [one for one in self._batches if one.version > start.version]
        without = taken_back([*behind, batch])
        refolded = refold(start.course, behind, self._resolver, without=without)
        return fold(now, batch, self._resolver, refolded=refolded)

    def _keep(self, made: Deployment) -> None:
        self._kept.append(made)
        versions = set(spaced([one.version for one in self._kept]))
        self._kept = [one for one in self._kept if one.version in versions]


def learned_since(batch: Batch) -> int:
    """A version at which nothing that ``batch`` takes back was learned: that of the decisions."""
    assert batch.rows is not None
    taken = batch.rows.dispositions == Disposition.RETRACTION
    return int(batch.rows.state_versions[taken].min())


def spaced(versions: Iterable[int]) -> list[int]:
    """Those to keep: the first, and of every power of two of age the oldest and the youngest."""
    ordered = np.sort(np.fromiter(versions, dtype=np.int64))
    if not ordered.size:
        return []
    ages = ordered[-1] - ordered
    buckets = np.frexp(ages)[1]  # 0 for age 0, k for ages in [2^(k-1), 2^k)
    firsts = np.flatnonzero(np.diff(buckets, prepend=-1))
    lasts = np.flatnonzero(np.diff(buckets, append=-1))
    kept: list[int] = ordered[np.union1d(firsts, lasts)].tolist()
    return kept
