"""What a cortex counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from serving.telemetry.meters import SIZES, Meters, Reading

__all__ = ["CortexMetrics", "Failing"]

_SHOWN = 100


class Failing:
    """The experiments whose latest update failed, with the reason; a bounded number of them."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def note(self, experiment: str, reason: str) -> None:
        """The latest update failed for this reason, or went well (an empty one)."""
        if not reason:
            self._reasons.pop(experiment, None)
            return
        self._reasons[experiment] = reason
        self._reasons.move_to_end(experiment)
        while len(self._reasons) > _SHOWN:
            self._reasons.popitem(last=False)

    @property
    def reasons(self) -> dict[str, str]:
        """Experiment to reason, the latest last."""
        return dict(self._reasons)

    def read(self) -> Iterator[Reading]:
        """For a gauge."""
        return (((experiment,), 1.0) for experiment in self.reasons)


class CortexMetrics(Meters):
    """Events and what became of them; steps, control changes and publications.

    Events are counted when their step is committed, so that what was read is the sum of its
    results (see `qbrix.ledger.Disposition`, and ``duplicate``, ``dead``, ``damaged``).
    """

    def __init__(self) -> None:
        super().__init__()
        self.events = self.tally(
            "qbrix_cortex_events", "feedback that was read from the streams", "result"
        )
        self.dead_letters = self.tally("qbrix_dead_letters", "what could not be learned", "kind")
        self.updates_failed = self.tally(
            "qbrix_updates_failed", "updates that raised, or made a state that is no number"
        )
        self.failing = Failing()
        self.watch_each(
            "qbrix_updates_failing",
            "experiments whose latest update failed, and which go on with the state before it",
            self.failing.read,
            "experiment",
            private=True,
        )
        self.step_s = self.spread(
            "qbrix_commit_seconds", "time of a step: read, folded and committed"
        )
        self.step_events = self.spread(
            "qbrix_commit_events", "feedback and decisions of a step", bounds=SIZES
        )
        self.archived = self.tally("qbrix_decisions_archived", "decisions put into the log")
        self.controls = self.tally("qbrix_controls", "control changes", "reason", "status")
        self.rounds_refused = self.tally(
            "qbrix_cortex_rounds_refused", "rounds that a store or another leader prevented"
        )
        self.publications = self.tally(
            "qbrix_publications", "versions on their way to the motors", "result"
        )
        self.publish_s = self.spread(
            "qbrix_publish_seconds", "time from the commit of a version to its publication"
        )
