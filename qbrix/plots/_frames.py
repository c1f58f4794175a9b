"""The numbers behind the pictures, apart from their drawing so that they can be tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbrix.environments import Bernoulli
from qbrix.simulator.statistics import interval
from qbrix.theory import lai_robbins

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.simulator import SimulationResult

__all__ = ["arm_shares", "final_differences", "references", "regret_bands"]


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


def references(result: SimulationResult) -> pd.DataFrame:
    """Columns ``reference``, ``round``, ``value``: lines to hold slopes against, not bounds.

    For Bernoulli arms: the slope c of Lai and Robbins against ln t, below which no policy stays
    that does well for all means, as t grows; the line goes through the end of the least regret,
    since it says nothing about height. And the rate of the minimax regret √(K t), which the worst
    means for a horizon force on everybody up to a constant factor. Empty for other environments.
    """
    import pandas as pd

    lines = {}
    place = result.environment
    if isinstance(place, Bernoulli) and place.means.min() < place.means.max():
        slope = lai_robbins(place.means)
        end = min(trace.regret[:, -1].mean() for trace in result.traces.values())
        line = end + slope * np.log(result.checkpoints / result.horizon)
        lines[f"slope of Lai and Robbins, {slope:.3g} per factor e"] = line
        lines["minimax rate, √(K t)"] = np.sqrt(place.n_arms * result.checkpoints)
    parts = [
        pd.DataFrame({"reference": name, "round": result.checkpoints, "value": values})[values >= 0]
        for name, values in lines.items()
    ]
    columns = ["reference", "round", "value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def final_differences(
    result: SimulationResult, *, baseline: str | None = None, confidence: float = 0.95
) -> tuple[pd.DataFrame, str]:
    """``mean``, ``low``, ``high``, ``separated`` per policy, and against whom; the least first."""
    table = result.compare(baseline, confidence=confidence)
    names = {"extra_regret": "mean", "extra_regret_low": "low", "extra_regret_high": "high"}
    shown = table.rename(columns=names)[[*names.values(), "separated"]]
    return shown, next(label for label in result.traces if label not in table.index)


def arm_shares(result: SimulationResult, *, most: int = 10) -> dict[str, pd.DataFrame]:
    """Label → share of each arm among the decisions since the checkpoint before.

    Frames are indexed by the round at which such a stretch ends, have a column per arm, and rows
    that sum to 1; labels come by final regret. Of more than ``most`` arms the ones chosen most
    often by all policies together have columns, the others share the column ``"others"``.
    """
    import pandas as pd

    index = pd.Index(result.checkpoints, name="round")
    total = np.sum([trace.pulls[-1] for trace in result.traces.values()], axis=0)
    several = len(total) > most
    shown = np.sort(np.argsort(-total, kind="stable")[: most - 1]) if several else slice(None)
    names = [str(arm) for arm in np.arange(len(total))[shown]]
    frames = {}
    for label in result.summary().index:
        pulls = np.diff(result.traces[label].pulls, axis=0, prepend=0)
        shares = pulls / pulls.sum(1, keepdims=True)
        frame = pd.DataFrame(shares[:, shown], index=index, columns=names)
        frames[str(label)] = frame.assign(others=1.0 - frame.sum(axis=1)) if several else frame
    return frames
