"""Whether the ledger is asked what it has before it is written to, or its keys are relied on."""

from __future__ import annotations

from serving.cortex.reading import Portion

__all__ = ["Asking"]

_WARY = 64  # portions behind one in which something came twice


class Asking:
    """Who is behind writes without asking, as long as nothing comes twice.

    The ledger refuses what it has, whoever writes it: a portion that is refused is learned again
    with its answer. So asking first is a matter of speed, and only of it.
    """

    def __init__(self) -> None:
        self._wary = 0

    def due(self, portion: Portion) -> bool:
        """Whether to ask about this portion first."""
        return self._wary > 0 or not portion.full

    def wrote(self, *, again: bool) -> None:
        """A portion is written; ``again`` when something in it had come before."""
        self._wary = _WARY if again else max(self._wary - 1, 0)
