"""Logs of what was decided and what came of it."""

from __future__ import annotations

from qbrix.evaluation.decisions import Decisions, LoggedDecision
from qbrix.evaluation.logs import LoggedBatch, LoggedData
from qbrix.evaluation.rejection import RejectionReplay, rejection_replay
from qbrix.evaluation.replayed import ReplayedDecision
from qbrix.evaluation.uniform import UniformLog, read_open_bandit
from qbrix.evaluation.verification import LogVerification

__all__ = [
    "Decisions",
    "LogVerification",
    "LoggedBatch",
    "LoggedData",
    "LoggedDecision",
    "RejectionReplay",
    "ReplayedDecision",
    "UniformLog",
    "read_open_bandit",
    "rejection_replay",
]
