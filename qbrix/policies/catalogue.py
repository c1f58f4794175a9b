"""The catalogue as a table, generated from what each policy declares."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from qbrix.errors import InvalidParameter
from qbrix.policies.base import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["catalogue", "citation_of", "described", "summary_of"]

_REFERENCES = re.compile(r"\nReferences\n-+\n(?P<text>.*?)(?:\n\n\S|\Z)", re.DOTALL)
_CITATION = re.compile(r"(?P<authors>.+? \(\d{4}\)), \*(?P<title>.+?)\*")


def catalogue() -> pd.DataFrame:
    """Every registered policy with what it needs, what it promises and where it comes from.

    Returns
    -------
    pandas.DataFrame
        Indexed by policy name, in alphabetical order, with the columns

        - ``alias``: the short name for `qbrix.get`,
        - ``category``: stochastic, contextual, adversarial or meta,
        - ``context``: whether it decides by context,
        - ``reward``: support of the rewards it learns from,
        - ``propensity``: how its probabilities come about,
        - ``order_free``: whether the order of feedback makes no difference,
        - ``propensities_cost``, ``update_cost``: how the time of a decision and of learning one
          reward grows, in K arms, d features, M points, n observations or a hyper-parameter,
        - ``parameters``: hyper-parameters with their defaults; without one they are required,
        - ``summary``: what it chooses, in a sentence,
        - ``citation``: authors, year and title of the paper that it implements.

    Examples
    --------
    >>> import qbrix
    >>> table = qbrix.catalogue()
    >>> table.loc["KLUCBPolicy", ["reward", "propensity", "update_cost"]].tolist()
    ['bounded', 'one-hot', '1']
    """
    import pandas as pd

    from qbrix.policies import policies

    return pd.DataFrame([described(policy) for policy in policies]).set_index("policy")


def described(policy: type[Policy[Any, Any]]) -> dict[str, Any]:
    """One row of the catalogue."""
    from qbrix.policies import policies

    capabilities = policy.capabilities
    return {
        "policy": policy.__name__,
        "alias": policies.alias(policy),
        "category": capabilities.category,
        "context": capabilities.context,
        "reward": capabilities.reward,
        "propensity": capabilities.propensity,
        "order_free": capabilities.order_free,
        "propensities_cost": capabilities.propensities_cost,
        "update_cost": capabilities.update_cost,
        "parameters": _signature(policy),
        "summary": summary_of(policy),
        "citation": citation_of(policy),
    }


def summary_of(kind: type) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())


def citation_of(kind: type) -> str:
    """Authors, year and title of the first entry under References.

    Raises
    ------
    InvalidParameter
        When the docstring has no such section, or writes it in another form.
    """
    section = _REFERENCES.search(inspect.cleandoc(kind.__doc__ or ""))
    found = _CITATION.match(" ".join(section["text"].split())) if section else None
    if found is None:
        raise InvalidParameter(
            f"the docstring of {kind.__name__} cites no source; end it with a section References "
            "that begins with: Authors (year), *Title*"
        )
    return f"{found['authors']}, {found['title']}"


def _signature(policy: type[Policy[Any, Any]]) -> str:
    return ", ".join(
        spec.name if spec.required else f"{spec.name}={_shown(spec.default)}"
        for spec in policy.parameter_specs()
    )


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
