"""What a motor counts."""

from __future__ import annotations

from serving.telemetry.meters import SIZES, Meters

__all__ = ["MotorMetrics"]


class MotorMetrics(Meters):
    """States and how they came; calls, where proxies are elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = self.tally("qbrix_motor_loads", "looks into the stores for a state", "result")
        self.prepare_s = self.spread(
            "qbrix_motor_prepare_seconds", "time to prepare a version of a state"
        )
        self.policy_failures = self.tally(
            "qbrix_motor_policy_failures", "decisions that the policy's code did not make"
        )
        self.answers = self.tally("qbrix_motor_answers", "queries answered over gRPC", "result")
        self.call_queries = self.spread(
            "qbrix_motor_call_queries", "queries that came in one call", bounds=SIZES
        )
        self.call_s = self.spread("qbrix_motor_call_seconds", "time of a call in the motor")
