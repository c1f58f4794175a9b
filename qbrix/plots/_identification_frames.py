"""The numbers behind the pictures of searches for the best arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.simulator import IdentificationResult

__all__ = ["error_rates", "mean_rounds"]


def mean_rounds(result: IdentificationResult, *, confidence: float = 0.95) -> pd.DataFrame:
    """Columns ``policy``, ``mean``, ``low``, ``high``, ``complete``, the fewest rounds first.

    ``complete`` tells whether all of a policy's searches stopped.
    """
    return _marks(result, "mean_rounds", confidence=confidence)


def error_rates(result: IdentificationResult, *, confidence: float = 0.95) -> pd.DataFrame:
    """The same columns for the share of wrong recommendations, the fewest first."""
    return _marks(result, "error_rate", confidence=confidence)


def _marks(result: IdentificationResult, name: str, *, confidence: float) -> pd.DataFrame:
    import pandas as pd

    table = result.summary(confidence=confidence).sort_values(name, kind="stable")
    return pd.DataFrame(
        {
            "policy": table.index.to_numpy(),
            "mean": table[name].to_numpy(),
            "low": table[f"{name}_low"].to_numpy(),
            "high": table[f"{name}_high"].to_numpy(),
            "complete": (table["unstopped"] == 0.0).to_numpy(),
        }
    )
