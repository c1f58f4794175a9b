"""Which decisions a log that need not keep all keeps: by their id, so that everybody agrees."""

from __future__ import annotations

import hashlib

__all__ = ["is_kept"]

_WHOLE = 2**32


def is_kept(decision_id: str, *, sampling: float) -> bool:
    """Whether the log keeps the decision at this rate in (0, 1]."""
    if sampling >= 1.0:
        return True
    digest = hashlib.sha256(bytes.fromhex(decision_id)).digest()
    return int.from_bytes(digest[:4], "big") < sampling * _WHOLE
