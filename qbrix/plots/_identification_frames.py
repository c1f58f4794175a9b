"""The numbers behind the pictures of searches for the best arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qbrix.environments import Bernoulli
from qbrix.theory import optimal_proportions

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.simulator import IdentificationResult

__all__ = ["arm_shares", "error_rates", "errors_by_budget", "mean_rounds"]


def mean_rounds(result: IdentificationResult, *, confidence: float = 0.95) -> pd.DataFrame:
    """Columns ``policy``, ``mean``, ``low``, ``high``, ``complete``, the fewest rounds first.

    ``complete`` tells whether all of a policy's searches stopped.
    """
    return _marks(result, "mean_rounds", confidence=confidence)


def error_rates(result: IdentificationResult, *, confidence: float = 0.95) -> pd.DataFrame:
    """The same columns for the share of wrong recommendations, the fewest first."""
    return _marks(result, "error_rate", confidence=confidence)


def arm_shares(result: IdentificationResult) -> pd.DataFrame:
    """Mean share of each arm among a search's observations: a row per policy, a column per arm.

    For Bernoulli arms with one best arm the first row, ``"best possible"``, has the shares that
    identify it fastest.
    """
    import pandas as pd

    rows = {}
    if isinstance(result.environment, Bernoulli):
        means = result.environment.means
        if np.count_nonzero(means == means.max()) == 1:
            rows["best possible"] = optimal_proportions(means)
    for label in result.summary().index:
        pulls = result.searches[str(label)].pulls
        rows[str(label)] = (pulls / pulls.sum(1, keepdims=True)).mean(0)
    arms = [str(arm) for arm in range(result.environment.n_arms)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=arms)


def errors_by_budget(
    results: Sequence[IdentificationResult], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Columns ``policy``, ``budget``, ``mean``, ``low``, ``high``: errors after each horizon."""
    import pandas as pd

    parts = [
        error_rates(result, confidence=confidence).assign(budget=result.horizon)
        for result in results
    ]
    columns = ["policy", "budget", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns].sort_values("budget", kind="stable")


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
