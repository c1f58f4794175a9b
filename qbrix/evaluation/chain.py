"""A ledger folded again, both digest chains compared link by link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qbrix.bundle.replay import STATE_TOLERANCE
from qbrix.errors import StateMismatch
from qbrix.ledger import Batch, Deployment, Replay, Resolver
from qbrix.state import State, arrays_of, digest

__all__ = ["Chain"]


class Chain:
    """Folds batches in order and holds each version against what serving noted.

    Every link is compared on its own: a version starts from the digests that serving noted for the
    one before. So a policy on whose bits are only close leaves its epoch without comparable state
    digests, and the next epoch has them again.

    Parameters
    ----------
    experiment : str
    resolver : Resolver
        Finds the policies.
    start : Deployment, optional
        A version that serving kept, to go on from; without it the first batch is version 0.

    Attributes
    ----------
    versions : int
        How many were folded.
    states : int
        Of how many versions serving's state came out, by digest or (`meet`) by its numbers.
    max_state_error : float
        Largest difference that `meet` has seen, relative to max(1, abs(number)).
    """

    def __init__(
        self, experiment: str, resolver: Resolver, *, start: Deployment | None = None
    ) -> None:
        self._replay = Replay(experiment, resolver, start=start)
        self._exact = start is None or start.policy.capabilities.bits == "exact"
        self.versions = 0
        self.states = 0
        self.max_state_error = 0.0

    @property
    def now(self) -> Deployment | None:
        """What decides after the batches so far."""
        return self._replay.now

    def take(self, batch: Batch, *, ledger_digest: str, state_digest: str) -> Deployment:
        """Fold the next batch.

        Raises
        ------
        StateMismatch
            When a digest is not the one noted; the state digest is compared while the epoch's
            policies are exact to the bit.
        """
        made = self._replay.take(batch)
        begins = batch.control is not None and batch.control.start != "keep"
        self._exact = (self._exact or begins) and made.policy.capabilities.bits == "exact"
        pairs = [("ledger", ledger_digest, made.ledger_digest)]
        if self._exact:
            pairs.append(("state", state_digest, made.state_digest))
        for what, noted, folded in pairs:
            if noted != folded:
                raise StateMismatch(
                    f"version {made.version} of experiment {made.experiment}: the {what} digest of "
                    f"serving is {noted}, folding the log gives {folded}"
                )
        self._replay.now = replace(made, ledger_digest=ledger_digest, state_digest=state_digest)
        self.versions += 1
        self.states += self._exact
        return made

    def meet(self, recorded: State) -> float:
        """Compare with the state that serving kept of this version, and go on from that.

        Returns
        -------
        float
            The largest difference, relative to max(1, abs(number)).

        Raises
        ------
        StateMismatch
            When a bit differs or, of a policy on whose bits are only close, a number by more than
            1e-9.
        """
        now = self._replay.now
        assert now is not None
        error = _distance(now, recorded)
        if (self._exact and digest(now.state) != digest(recorded)) or not error <= STATE_TOLERANCE:
            raise StateMismatch(
                f"version {now.version} of experiment {now.experiment}: the state that serving "
                f"keeps is off by {error:.3g} from the one that folding the log gives"
            )
        self._replay.now = replace(now, state=recorded)
        self.states += not self._exact
        self.max_state_error = max(self.max_state_error, error)
        return error


def _distance(now: Deployment, recorded: State) -> float:
    worst = 0.0
    pairs = zip(arrays_of(now.state), arrays_of(recorded), strict=True)
    for (name, got), (_, kept) in pairs:
        if got.shape != kept.shape:
            raise StateMismatch(
                f"version {now.version} of experiment {now.experiment}: state.{name} has shape "
                f"{got.shape}, the one that serving keeps has {kept.shape}"
            )
        scaled = np.abs(got - kept) / np.maximum(1.0, np.abs(kept))
        worst = max(worst, float(np.where(got == kept, 0.0, scaled).max(initial=0.0)))
    return worst
