"""The tables of a race: what each policy gave away, and who is told apart from whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.errors import UnknownName
from qbrix.simulator.metrics import Trace
from qbrix.simulator.statistics import Differences, check_probability, interval, paired_differences
from qbrix.types import Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["comparison", "shares", "summarised", "tidy"]

Traces = Mapping[str, Trace]


def summarised(
    traces: Traces, *, horizon: int, confidence: float, together: float, seed: int
) -> pd.DataFrame:
    """One row per policy, the least regret first; see `SimulationResult.summary`.

    ``together`` is the confidence with which all of the differences to the best one hold.
    """
    import pandas as pd

    final = _final(traces)
    labels, leader = list(traces), int(final.mean(0).argmin())
    behind = _behind(final, leader, confidence=together, seed=seed)
    rows = {}
    for i, (label, trace) in enumerate(traces.items()):
        rows[label] = {
            **_ends("regret", interval(final[:, i], confidence=confidence)),
            **_ends("extra_regret", (behind.mean[i], behind.low[i], behind.high[i])),
            "separated": bool(behind.separated[i]),
            "realised_regret": float(trace.realised[:, -1].mean()),
            **_ends("mean_reward", interval(trace.reward[:, -1] / horizon, confidence=confidence)),
            "best_arm_rate": float(trace.best[:, -1].mean()) / horizon,
            "microseconds_per_decision": 1e6 * trace.seconds_per_decision,
            "state_bytes": trace.state_bytes,
        }
    others = [label for label in labels if label != labels[leader]]
    rows[labels[leader]]["separated"] = bool(others) and all(rows[x]["separated"] for x in others)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")
    return table.sort_values("regret", kind="stable")


def comparison(
    traces: Traces, baseline: str | None, *, confidence: float, seed: int
) -> pd.DataFrame:
    """Differences to a baseline; see `SimulationResult.compare`."""
    import pandas as pd

    final, labels = _final(traces), list(traces)
    if baseline is not None and baseline not in traces:
        raise UnknownName("policy label", baseline, known=labels)
    if baseline is None:
        reference = int(final.mean(0).argmin())
        found = _behind(final, reference, confidence=confidence, seed=seed)
    else:
        reference = labels.index(baseline)
        pairs = np.array([[a, reference] for a in range(len(labels))])
        found = paired_differences(final, pairs, confidence=confidence, seed=seed)
    table = pd.DataFrame(
        {
            "extra_regret": found.mean,
            "extra_regret_low": found.low,
            "extra_regret_high": found.high,
            "p_value": found.p_value,
            "separated": found.separated,
        },
        index=pd.Index(labels, name=f"policy, against {labels[reference]}"),
    )
    return table.drop(index=labels[reference]).sort_values("extra_regret", kind="stable")


def shares(traces: Traces) -> pd.DataFrame:
    """Share of every arm; see `SimulationResult.arm_shares`."""
    import pandas as pd

    pulls = {label: trace.pulls[-1] for label, trace in traces.items()}
    order = sorted(traces, key=lambda label: float(traces[label].regret[:, -1].mean()))
    table = pd.DataFrame({label: pulls[label] / pulls[label].sum() for label in order}).T
    return table.rename_axis(index="policy", columns="arm")


def tidy(traces: Traces, checkpoints: IntArray) -> pd.DataFrame:
    """A row per policy, replication and checkpoint; see `SimulationResult.to_frame`."""
    import pandas as pd

    replications = len(next(iter(traces.values())).regret)
    rounds = np.tile(checkpoints, replications)
    numbers = np.repeat(np.arange(replications), len(checkpoints))
    parts = [
        pd.DataFrame(
            {
                "policy": label,
                "replication": numbers,
                "round": rounds,
                "regret": trace.regret.ravel(),
                "realised_regret": trace.realised.ravel(),
                "reward": trace.reward.ravel(),
                "best_arm_rate": (trace.best / checkpoints).ravel(),
            }
        )
        for label, trace in traces.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _final(traces: Traces) -> Array:
    """Regret at the last checkpoint, (R, P)."""
    return np.column_stack([trace.regret[:, -1] for trace in traces.values()])


def _behind(final: Array, leader: int, *, confidence: float, seed: int) -> Differences:
    """Every policy against the leader, as part of all pairs.

    The numbers themselves named the leader. Intervals that hold for all pairs at once hold for the
    pairs with it, whoever it turns out to be.
    """
    check_probability(confidence, name="confidence")
    size = final.shape[1]
    others = [a for a in range(size) if a != leader]
    pairs = [[a, leader] for a in others] + [[a, b] for a in others for b in others if b < a]
    found = paired_differences(
        final, np.array(pairs, dtype=np.int64).reshape(-1, 2), confidence=confidence, seed=seed
    )

    def shown(values: Array, *, at_leader: Any) -> Array:
        return np.insert(values[: size - 1], leader, at_leader)

    return Differences(
        mean=shown(found.mean, at_leader=0.0),
        low=shown(found.low, at_leader=0.0),
        high=shown(found.high, at_leader=0.0),
        p_value=shown(found.p_value, at_leader=1.0),
    )


def _ends(name: str, bounds: tuple[Any, Any, Any]) -> dict[str, Any]:
    mean, low, high = bounds
    return {name: float(mean), f"{name}_low": float(low), f"{name}_high": float(high)}
