"""What becomes of a row of the ledger."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["FOLDING", "Disposition"]


class Disposition(IntEnum):
    """Why a row is folded or only recorded.

    FOLDED, CLOSED and DEFAULT rows are learned: a reward as it came, what the rewards of a closed
    window come to, and what stands for the reward that never came. HELD rewards wait for the close
    of their window. LATE ones came after it; GATE and OLD_EPOCH ones are of decisions that the
    policy did not make, or has forgotten. RETRACTED rewards had been taken back before they came.
    A RETRACTION takes back what was folded, so that the state is folded again without it; a
    WITHDRAWAL takes back what was not.
    """

    FOLDED = 0
    GATE = 1
    LATE = 2
    OLD_EPOCH = 3
    HELD = 4
    CLOSED = 5
    DEFAULT = 6
    RETRACTED = 7
    RETRACTION = 8
    WITHDRAWAL = 9


FOLDING = (Disposition.FOLDED, Disposition.CLOSED, Disposition.DEFAULT)
"""What a policy learns from."""
