"""Write docs/policies.md and docs/environments.md from what every class of the catalogues declares.

The pages are generated: change the docstrings and declarations, then run ``make docs``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

import qbrix
from qbrix.environments import Environment, Wrapper, environments
from qbrix.policies.catalogue import citation_of, summary_of
from qbrix.support import SUPPORTS, described

FOLDER = Path(__file__).resolve().parent.parent / "docs"

_SUPPORTS = "; ".join(f"*{support}* {described(support)}" for support in SUPPORTS)
_PROPENSITIES = {
    "closed": "a formula",
    "quadrature": "an integral, to 1e-10",
    "one-hot": "1 for the best index, ties within 1e-9 share evenly",
    "points": "shares of M = 1024 fixed quasi-random points",
}
_FIXED = "Arms with fixed means"
_CHANGING = "Arms whose means change, are drawn anew or come from elsewhere"
_BY_CONTEXT = "Arms that pay by context"
_WRAPPERS = "Wrappers, around any other environment"
_SPECIAL_CONSTRUCTORS = {"example", "from_parameters", "identifier"}


def pages() -> dict[Path, str]:
    """The whole text of every page."""
    return {
        FOLDER / "policies.md": _policies(),
        FOLDER / "environments.md": _environments(),
    }


def _policies() -> str:
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
        f"**Reward** is the support of what a policy learns from: {_SUPPORTS}. Others are refused; "
        "`reward_range` of an experiment, or the environment wrapper "
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


def _environments() -> str:
    kinds = list(environments)
    parts = [
        "# The environments",
        "",
        "*Written by `make docs` from the registry `qbrix.environments.environments`.*",
        "",
        f"{len(kinds)} environments. Each is one file of `qbrix/environments/` and is held to the "
        "contract of `qbrix.testing.check_environment`. `environment.spec()` is the id and the "
        "parameters as JSON, and `qbrix.environments.from_spec` leads back; a change of what an "
        "environment deals is a new version of its id. Equal seeds deal equal rounds to every "
        "policy of a race.",
        "",
        f"**Reward** is the support of what the arms pay: {_SUPPORTS}.",
    ]
    for group in (_FIXED, _CHANGING, _BY_CONTEXT, _WRAPPERS):
        members = [kind for kind in kinds if _group(kind) == group]
        parts += ["", f"## {group}", "", *_environment_rows(members)]
    return "\n".join(parts) + "\n"


def _group(kind: type[Environment]) -> str:
    if issubclass(kind, Wrapper):
        return _WRAPPERS
    example = kind.example()
    if example.dim:
        return _BY_CONTEXT
    return _CHANGING if example.optimum is None else _FIXED


def _environment_rows(kinds: Iterable[type[Environment]]) -> list[str]:
    lines = [
        "| environment | what it deals | reward | also made by | source |",
        "|---|---|---|---|---|",
    ]
    for kind in kinds:
        reward = getattr(kind, "reward", "by its arguments")
        lines.append(
            f"| **{kind.identifier()}**({_parameters(kind)}) | {summary_of(kind)} | {reward} "
            f"| {_constructors(kind) or '—'} | {_source(kind) or '—'} |"
        )
    return lines


def _parameters(kind: type[Environment]) -> str:
    return ", ".join(
        name if told.default is told.empty else f"{name}={told.default!r}"
        for name, told in inspect.signature(kind).parameters.items()
    )


def _constructors(kind: type[Environment]) -> str:
    return ", ".join(
        f"`{name}`"
        for name, member in vars(kind).items()
        if isinstance(member, classmethod) and name not in _SPECIAL_CONSTRUCTORS
    )


def _source(kind: type[Environment]) -> str:
    return citation_of(kind) if "\nReferences\n" in (inspect.getdoc(kind) or "") else ""


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
