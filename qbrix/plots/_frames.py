"""The numbers behind the pictures, apart from their drawing so that they can be tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbrix.simulator.metrics import interval

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.simulator import SimulationResult

__all__ = ["regret_bands", "shares_of_arms"]


def regret_bands(result: SimulationResult, *, confidence: float = 0.95) -> pd.DataFrame:
    """Columns ``policy``, ``round``, ``mean``, ``low``, ``high``; policies by final regret."""
    import pandas as pd

    parts = []
    for label in result.summary().index:
        mean, low, high = interval(result.traces[label].regret, confidence=confidence)
        parts.append(
            pd.DataFrame(
                {
                    "policy": label,
                    "round": result.checkpoints,
                    "mean": mean,
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def shares_of_arms(result: SimulationResult, *, label: str) -> pd.DataFrame:
    """Share of each arm among the decisions since the checkpoint before.

    Indexed by the round at which such a stretch of rounds ends; one column per arm, rows sum to 1.
    """
    import pandas as pd

    pulls = np.diff(result.traces[label].pulls, axis=0, prepend=0)
    return pd.DataFrame(
        pulls / pulls.sum(1, keepdims=True),
        index=pd.Index(result.checkpoints, name="round"),
        columns=pd.RangeIndex(pulls.shape[1], name="arm"),
    )
