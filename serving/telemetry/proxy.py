"""What a proxy counts."""

from __future__ import annotations

from serving.telemetry.meters import SIZES, Meters

__all__ = ["ProxyMetrics"]

_TENTHS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)


class ProxyMetrics(Meters):
    """Requests, decisions, feedback, and how long they took."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self.tally("qbrix_requests", "requests", "route", "status")
        self.select_s = self.spread("qbrix_select_seconds", "time of a select in the proxy")
        self.feedback_s = self.spread(
            "qbrix_feedback_seconds", "time of a feedback in the proxy, until it is on disk"
        )
        self.control_s = self.spread(
            "qbrix_control_seconds", "time of a request that is neither select nor feedback"
        )
        self.decisions = self.tally("qbrix_decisions", "decisions", "source")
        self.propensity = self.spread(
            "qbrix_propensity", "probability of the arm that was drawn", bounds=_TENTHS
        )
        self.state_age_s = self.spread("qbrix_state_age_seconds", "age of the deciding state")
        self.feedback = self.tally("qbrix_feedback", "feedback", "result")
        self.gate_failures = self.tally(
            "qbrix_gate_failures", "gates that failed and gave the control arm"
        )
        self.dropped = self.tally("qbrix_decisions_dropped", "decisions that no log kept")
        self.intake_group = self.spread(
            "qbrix_intake_group_events", "events of a write to the stream", bounds=SIZES
        )
        self.intake_write_s = self.spread(
            "qbrix_intake_write_seconds", "time until a write to the stream was on disk"
        )
