"""Write docs/policies.md from what every policy of the catalogue declares.

The page is generated: change the docstrings and capabilities, then run ``make docs``.
"""

from __future__ import annotations

from pathlib import Path

import qbrix
from qbrix.support import SUPPORTS, described

PAGE = Path(__file__).resolve().parent.parent / "docs" / "policies.md"

_PROPENSITIES = {
    "closed": "a formula",
    "quadrature": "an integral, to 1e-10",
    "one-hot": "1 for the best index, ties within 1e-9 share evenly",
    "points": "shares of M = 1024 fixed quasi-random points",
}


def page() -> str:
    """The whole page."""
    table = qbrix.catalogue()
    parts = [
        "# The policies",
        "",
        "*Written by `make docs` from what each policy declares; in a notebook "
        "`qbrix.catalogue()` gives the same table.*",
        "",
        f"{len(table)} policies. Each is one file of `qbrix/policies/`, is held to the contract of "
        "`qbrix.testing.check_policy`, and says in its docstring which bound it has, when that "
        "applies, and what delay and batches do to it.",
        "",
        "**Reward** is the support of what a policy learns from: "
        + "; ".join(f"*{support}* {described(support)}" for support in SUPPORTS)
        + ". Others are refused; `reward_range` of an experiment, or the environment wrapper "
        "`Scaled`, maps an interval to [0, 1].",
        "",
        "**Propensities** are "
        + "; ".join(f"*{kind}*: {words}" for kind, words in _PROPENSITIES.items())
        + ".",
        "",
        "**Costs** say how the time of a decision (from a prepared state) and of learning one "
        "reward grows: K arms, d features, M points, n observations, or a hyper-parameter. "
        "**Order-free** states are sums: late and shuffled feedback teaches them the same, and two "
        "of them can be merged.",
    ]
    for category, rows in table.groupby("category"):
        parts += ["", f"## {str(category).capitalize()}", "", *_rows(rows)]
    return "\n".join(parts) + "\n"


def _rows(rows: object) -> list[str]:
    lines = [
        "| policy | what it chooses | reward | propensities | order-free | decide / learn "
        "| source |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.iterrows():  # type: ignore[attr-defined]
        kind = f"{row.reward}, by context" if row.context else row.reward
        lines.append(
            f"| **{name}**({row.parameters}) | {row.summary} | {kind} | {row.propensity} "
            f"| {'yes' if row.order_free else 'no'} | {row.propensities_cost} / {row.update_cost} "
            f"| {row.citation} |"
        )
    return lines


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
