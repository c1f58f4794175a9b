"""Learning as a fold over a ledger: what decides, the batches that change it, and their digests.

``state_v+1 = fold(state_v, batch_v+1)``. A batch is either rows of feedback or one control change
(hyper-parameters, floor, arms, promotion, reset); each makes a version of its own. Cortex folds
the ledger as it grows, a notebook folds the same batches again and gets the same bits.
"""

from __future__ import annotations

from qbrix.ledger.configuration import Configuration, Control, PolicyRef
from qbrix.ledger.decide import Decider, Decision
from qbrix.ledger.fold import Deployment, Resolver, fold, genesis
from qbrix.ledger.rows import Batch, Disposition, Rows

__all__ = [
    "Batch",
    "Configuration",
    "Control",
    "Decider",
    "Decision",
    "Deployment",
    "Disposition",
    "PolicyRef",
    "Resolver",
    "Rows",
    "fold",
    "genesis",
]
