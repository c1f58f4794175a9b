"""What a cortex counts."""

from __future__ import annotations

from serving.telemetry.meters import SIZES, Meters

__all__ = ["CortexMetrics"]


class CortexMetrics(Meters):
    """Events and what became of them; steps, control changes and publications.

    Events are counted when their step is committed, once each: ``sent = learned + gate +
    duplicate + dead + …`` holds for what one leader read.
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
