"""What searches for the best arm found: how long they took, how often they erred."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.environments import Bernoulli, Environment
from qbrix.policies import IdentificationPolicy
from qbrix.simulator.statistics import check_probability, interval
from qbrix.theory import bernoulli_divergence, characteristic_time
from qbrix.types import BoolArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.plots.identification import IdentificationPlots

__all__ = ["Identification", "IdentificationResult", "joined", "proportion_interval"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Identification:
    """What one policy found in R replications.

    Attributes
    ----------
    rounds : IntArray, shape (R,)
        Rounds until it recommended an arm.
    arms : IntArray, shape (R,)
        The arm.
    right : BoolArray, shape (R,)
        Whether no arm has a larger mean.
    stopped : BoolArray, shape (R,)
        Whether it stopped by its own rule (or used up the budget that all were given); else it was
        asked when the rounds were used up.
    pulls : IntArray, shape (R, K)
        Observations of each arm.
    """

    rounds: IntArray
    arms: IntArray
    right: BoolArray
    stopped: BoolArray
    pulls: IntArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class IdentificationResult:
    """Finished searches; `qbrix.identify` makes it.

    Attributes
    ----------
    policies : mapping of label to IdentificationPolicy
    environment : Environment
    confidence : float, optional
        At which they stopped; None when all used up the budget.
    horizon, replications, seed : int
        ``horizon`` is the largest number of rounds that a search may take.
    searches : mapping of label to Identification
    """

    policies: Mapping[str, IdentificationPolicy[Any, Any]]
    environment: Environment
    confidence: float | None
    horizon: int
    replications: int
    seed: int
    searches: Mapping[str, Identification]

    @property
    def least_rounds(self) -> float | None:
        r"""Rounds that no rule of this confidence beats on average, for Bernoulli arms; else None.

        :math:`T^*(\mu) \, \mathrm{kl}(\delta, 1 - \delta)` by Garivier and Kaufmann (2016),
        Theorem 1.
        """
        if self.confidence is None or not isinstance(self.environment, Bernoulli):
            return None
        doubt = np.array(1.0 - self.confidence)
        apart = float(bernoulli_divergence(doubt, 1.0 - doubt))
        return characteristic_time(self.environment.means) * apart

    def summary(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """One row per policy, the fewest rounds first (with a fixed budget the fewest errors).

        Columns: ``error_rate`` of the recommendations with the ends ``_low`` and ``_high`` of its
        exact interval (Clopper and Pearson), ``mean_rounds`` with those by Student's t,
        ``unstopped``: the share of searches that used up the rounds; where it is not 0 the mean is
        one of rounds that were cut off. ``confidence`` is that of the intervals.
        """
        import pandas as pd

        rows = {}
        for label, search in self.searches.items():
            wrong = int((~search.right).sum())
            low, high = proportion_interval(wrong, self.replications, confidence=confidence)
            ends = interval(search.rounds.astype(np.float64), confidence=confidence)
            mean, mean_low, mean_high = (float(end) for end in ends)
            rows[label] = {
                "error_rate": wrong / self.replications,
                "error_rate_low": low,
                "error_rate_high": high,
                "mean_rounds": mean,
                "mean_rounds_low": mean_low,
                "mean_rounds_high": mean_high,
                "unstopped": float((~search.stopped).mean()),
            }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")
        first = "error_rate" if self.confidence is None else "mean_rounds"
        return table.sort_values(first, kind="stable")

    def to_frame(self) -> pd.DataFrame:
        """Tidy form: a row per policy and replication."""
        import pandas as pd

        parts = [
            pd.DataFrame(
                {
                    "policy": label,
                    "replication": np.arange(self.replications),
                    "rounds": search.rounds,
                    "arm": search.arms,
                    "right": search.right,
                    "stopped": search.stopped,
                }
            )
            for label, search in self.searches.items()
        ]
        return pd.concat(parts, ignore_index=True)

    @property
    def plot(self) -> IdentificationPlots:
        """Pictures: ``result.plot.rounds()`` and ``result.plot.errors()``; needs matplotlib."""
        from qbrix.plots.identification import IdentificationPlots

        return IdentificationPlots(self)

    @property
    def provenance(self) -> dict[str, Any]:
        """Everything needed to search again, and what came out; fit for JSON."""
        import qbrix

        return {
            "format": 1,
            "environment": self.environment.spec(),
            "confidence": self.confidence,
            "horizon": self.horizon,
            "replications": self.replications,
            "seed": self.seed,
            "policies": {
                label: {"id": policy.identifier(), "parameters": policy.parameters()}
                for label, policy in self.policies.items()
            },
            "versions": {
                "qbrix": qbrix.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "summary": {
                str(label): {str(key): _number(value) for key, value in row.items()}
                for label, row in self.summary().iterrows()
            },
        }

    @property
    def title(self) -> str:
        """Environment and sizes in a line."""
        sure = "fixed budget" if self.confidence is None else f"confidence {self.confidence:g}"
        return (
            f"{self.environment!r}, {sure}, at most {self.horizon:,} rounds × "
            f"{self.replications:,} replications, seed {self.seed}"
        )

    def __repr__(self) -> str:
        table = self.summary().to_string(float_format="{:.4g}".format)
        return f"<IdentificationResult: {self.title}>\n{table}"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("policy", "rounds", "errors", "unstopped"))
        body = "".join(_row(str(label), row) for label, row in self.summary().iterrows())
        least = self.least_rounds
        bound = "" if least is None else f"; no rule takes less than {least:,.0f} rounds on average"
        return (
            f'<div><div style="opacity:.7;margin-bottom:.3em">{escape(self.title)}{bound}</div>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            '<div style="opacity:.7;margin-top:.3em">± and brackets are 95 % intervals</div></div>'
        )


def joined(parts: Sequence[Identification]) -> Identification:
    """The replications of several units, in their order."""
    return Identification(
        rounds=np.concatenate([part.rounds for part in parts]),
        arms=np.concatenate([part.arms for part in parts]),
        right=np.concatenate([part.right for part in parts]),
        stopped=np.concatenate([part.stopped for part in parts]),
        pulls=np.concatenate([part.pulls for part in parts]),
    )


def proportion_interval(count: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a probability that showed ``count`` times in ``total`` trials.

    References
    ----------
    Clopper and Pearson (1934), *The Use of Confidence or Fiducial Limits Illustrated in the Case of
    the Binomial*.
    """
    from scipy.special import betaincinv

    check_probability(confidence, name="confidence")
    tail = (1.0 - confidence) / 2.0
    low = betaincinv(count, total - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, total - count, 1.0 - tail) if count < total else 1.0
    return float(low), float(high)


def _row(label: str, row: pd.Series[float]) -> str:
    half = (row["mean_rounds_high"] - row["mean_rounds_low"]) / 2.0
    width = "" if math.isnan(half) else f" ± {half:,.0f}"
    cells = (
        escape(label),
        f"{row['mean_rounds']:,.0f}{width}",
        f"{100 * row['error_rate']:.2f} % "
        f"[{100 * row['error_rate_low']:.2f}, {100 * row['error_rate_high']:.2f}]",
        f"{100 * row['unstopped']:.1f} %",
    )
    aligned = ["left"] + ["right"] * 3
    return (
        "<tr>"
        + "".join(
            f'<td style="text-align:{side};font-variant-numeric:tabular-nums">{text}</td>'
            for side, text in zip(aligned, cells, strict=True)
        )
        + "</tr>"
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
