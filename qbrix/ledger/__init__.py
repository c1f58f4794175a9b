"""Learning as a fold over a ledger: what decides, the batches that change it, and their digests.

``state_v+1 = fold(state_v, batch_v+1)``. A batch is either rows of feedback or one control change
(hyper-parameters, floor, arms, promotion, reset); each makes a version of its own. Cortex folds
the ledger as it grows, a notebook folds the same batches again and gets the same bits. A batch that
takes rewards back folds again what followed them (`refold`); `Replay` does so by itself.
"""

from __future__ import annotations

from qbrix.ledger.attribution import Aggregation, Attribution
from qbrix.ledger.configuration import REPLACING, Configuration, Control, PolicyRef
from qbrix.ledger.course import Course, Resolver
from qbrix.ledger.decide import Decider, Decision
from qbrix.ledger.disposition import Disposition
from qbrix.ledger.fold import Deployment, fold, genesis
from qbrix.ledger.replay import Replay
from qbrix.ledger.rows import Batch, Rows

__all__ = [
    "REPLACING",
    "Aggregation",
    "Attribution",
    "Batch",
    "Configuration",
    "Control",
    "Course",
    "Decider",
    "Decision",
    "Deployment",
    "Disposition",
    "PolicyRef",
    "Replay",
    "Resolver",
    "Rows",
    "fold",
    "genesis",
]
