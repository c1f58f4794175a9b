"""``python -m benchmarks.speed.growth``: the cost of a decision against K, d, R and T, drawn.

Seconds a decision as `simulate` reports them: deciding and learning, without the environment.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write_section
from qbrix.environments import Bernoulli, Environment, LinearContextual
from qbrix.plots._style import COLOURS, style
from qbrix.policies import (
    BetaTSPolicy,
    EpsilonPolicy,
    EXP3Policy,
    KLUCBPolicy,
    LinTSPolicy,
    LinUCBPolicy,
    Policy,
    UCB1Policy,
)
from qbrix.simulator import simulate

PICTURE = Path(__file__).parents[1] / "pictures" / "growth.svg"
PLAIN: dict[str, Policy[Any, Any]] = {
    "BetaTS": BetaTSPolicy(),
    "UCB1": UCB1Policy(),
    "KL-UCB": KLUCBPolicy(),
    "ε-greedy": EpsilonPolicy(eps=0.1, gamma=1.0),
    "EXP3": EXP3Policy(gamma=0.1),
}
LINEAR: dict[str, Policy[Any, Any]] = {
    "LinUCB": LinUCBPolicy(alpha=1.0),
    "LinTS": LinTSPolicy(v=0.3),
}
Curves = dict[str, dict[str, list[float]]]


def arms(count: int) -> Environment:
    """K arms with means from 0.05 to 0.5."""
    return Bernoulli(np.linspace(0.05, 0.5, count))


def linear(dim: int) -> Environment:
    """Ten arms, d features."""
    return LinearContextual.random(n_arms=10, dim=dim, seed=1)


def curves() -> dict[str, Curves]:
    """Microseconds a decision per panel and policy."""
    found: dict[str, Curves] = {}
    found["K, the number of arms (R = 100)"] = _sweep(
        PLAIN, (2, 10, 32, 100, 316, 1000), lambda k: (arms(k), max(400, k + 100), 100)
    )
    found["d, the number of features (K = 10, R = 20)"] = _sweep(
        LINEAR, (2, 8, 20, 64, 128, 256), lambda d: (linear(d), 200 if d <= 64 else 40, 20)
    )
    found["R, the replications that move together (K = 10)"] = _sweep(
        PLAIN, (1, 10, 100, 1000), lambda r: (arms(10), 600, r)
    )
    found["T, the horizon (K = 10, R = 100)"] = _sweep(
        PLAIN, (100, 1000, 10_000), lambda t: (arms(10), t, 100)
    )
    return found


def _sweep(policies: dict[str, Policy[Any, Any]], sizes: Sequence[int], sized: Any) -> Curves:
    times: Curves = {label: {"x": [], "us": []} for label in policies}
    for size in sizes:
        environment, horizon, replications = sized(size)
        result = simulate(
            policies,
            environment,
            horizon=horizon,
            replications=replications,
            checkpoints=2,
            progress=False,
        )
        for label, trace in result.traces.items():
            times[label]["x"].append(float(size))
            times[label]["us"].append(trace.seconds_per_decision * 1e6)
    return times


def draw(found: dict[str, Curves], path: Path) -> None:
    """Four panels on logarithmic axes, each curve named at its end."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    colours = dict(zip([*PLAIN, *LINEAR], COLOURS, strict=False))
    with style(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "growth"}):
        figure = Figure(figsize=(9.0, 7.0), layout="constrained")
        for axes, (title, panel) in zip(figure.subplots(2, 2).flat, found.items(), strict=True):
            for label, curve in panel.items():
                axes.loglog(curve["x"], curve["us"], ".-", color=colours[label], label=label)
            axes.set_title(title)
            axes.set_ylabel("µs a decision")
            axes.margins(y=0.25)
            axes.grid(visible=True)
            axes.legend(frameon=False, fontsize="small")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> int:
    """Measure, draw, and write the section that shows the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.growth", description=__doc__)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--dry", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    found = curves()
    draw(found, options.picture)
    print(json.dumps(found, ensure_ascii=False))
    if not options.dry:
        write_section(
            "growth",
            title="Cost of a decision against K, d, R and T",
            command="python -m benchmarks.speed.growth",
            body=f"![Microseconds a decision](pictures/{options.picture.name})\n\n"
            "Deciding and learning, wall time, one core; the environment is left out. Rounds have "
            "a fixed price, so a decision is the cheaper the more replications move together.",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
