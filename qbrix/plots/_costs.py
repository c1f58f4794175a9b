"""The numbers behind the picture of conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qbrix.errors import InvalidParameter
from qbrix.simulator.statistics import interval

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.simulator import SimulationResult

__all__ = ["condition_costs"]


def condition_costs(
    results: Mapping[str, SimulationResult], *, confidence: float = 0.95
) -> pd.DataFrame:
    """What each condition costs each policy, against the first of the conditions.

    Parameters
    ----------
    results : mapping of condition to SimulationResult
        Races of the same policies, of equal length, replications and seed.
    confidence : float in (0, 1), default 0.95

    Returns
    -------
    DataFrame
        A row per policy and condition. ``regret`` with ``low`` and ``high``; ``extra`` with
        ``extra_low`` and ``extra_high``: by how much it exceeds the regret under the first
        condition, as the mean of differences between replications that met the same rewards.
        Policies come by their regret under the first condition.

    Raises
    ------
    InvalidParameter
        If there is no result, or the races cannot be compared.
    """
    import pandas as pd

    if not results:
        raise InvalidParameter("results is empty; expected condition → result of simulate(…)")
    (name, first), *others = results.items()
    for other, result in others:
        _check_comparable(name, first, other, result)
    rows = []
    for policy in first.summary().index:
        at_first = first.traces[policy].regret[:, -1]
        for condition, result in results.items():
            regret = result.traces[policy].regret[:, -1]
            mean, low, high = interval(regret, confidence=confidence)
            extra, extra_low, extra_high = interval(regret - at_first, confidence=confidence)
            rows.append((policy, condition, mean, low, high, extra, extra_low, extra_high))
    names = ["policy", "condition", "regret", "low", "high", "extra", "extra_low", "extra_high"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:], float))


def _check_comparable(
    name: str, first: SimulationResult, other: str, result: SimulationResult
) -> None:
    for what in ("horizon", "replications", "seed"):
        here, there = getattr(first, what), getattr(result, what)
        if here != there:
            raise InvalidParameter(
                f"{what} is {here} under {name!r} and {there} under {other!r}; "
                "run the same race under every condition"
            )
    if set(first.traces) != set(result.traces):
        differing = sorted(set(first.traces) ^ set(result.traces))
        raise InvalidParameter(
            f"{name!r} and {other!r} are not races of the same policies: {', '.join(differing)}"
        )
