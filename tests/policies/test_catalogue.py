"""The catalogue as a table, and the pages that are written from it and its environments."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import qbrix
from qbrix.errors import InvalidParameter
from qbrix.policies import Policy, policies
from qbrix.policies.catalogue import citation_of

ROOT = Path(__file__).resolve().parents[2]


def test_every_policy_is_in_the_table_and_found_by_its_alias() -> None:
    table = qbrix.catalogue()
    assert list(table.index) == [policy.__name__ for policy in policies]
    for name, alias in table.alias.items():
        assert qbrix.get(alias).__name__ == name


def test_type_checkers_see_every_policy_where_it_loads_from() -> None:
    source = (ROOT / "qbrix" / "policies" / "__init__.py").read_text("utf-8")
    seen = {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name  # else a strict checker takes the name for a private one
    }
    assert {(policy.__module__, policy.__name__) for policy in policies} <= seen


def test_every_public_policy_of_the_package_is_in_the_catalogue() -> None:
    listed = {policy.__module__.rpartition(".")[2] for policy in policies}
    bases = {"base", "catalogue", "identification", "scalar", "shortcuts"}
    files = {path.stem for path in (ROOT / "qbrix" / "policies").glob("[a-z]*.py")}
    assert files == listed | bases


def test_a_row_says_what_the_class_declares() -> None:
    row = qbrix.catalogue().loc["DiscountedTSPolicy"]
    assert row.parameters == "alpha_prior=1, beta_prior=1, gamma"
    assert (row.category, row.context, row.reward) == ("stochastic", False, "bounded")
    assert (row.propensity, row.order_free) == ("quadrature", False)
    assert (row.propensities_cost, row.update_cost) == ("K", "K")
    assert row.citation == (
        "Raj and Kalyani (2017), Taming Non-stationary Bandits: A Bayesian Approach"
    )


def test_a_policy_without_a_source_is_named() -> None:
    class Unsourced(Policy):  # type: ignore[type-arg]
        """Choose somehow."""

    with pytest.raises(InvalidParameter, match=r"docstring of Unsourced cites no source"):
        citation_of(Unsourced)


def test_summaries_are_sentences_without_formulas() -> None:
    for name, summary in qbrix.catalogue().summary.items():
        assert summary.endswith("."), name
        assert ":math:" not in summary, name


@pytest.mark.parametrize("name", ["BESAPolicy", "IDSPolicy"])
def test_more_arms_than_a_policy_can_afford_are_refused(name: str) -> None:
    policy = qbrix.get(name)
    most = policy.capabilities.max_arms
    assert most is not None
    with pytest.raises(InvalidParameter, match=rf"n_arms = {most + 1}, {name} can choose among"):
        policy.example().init(n_arms=most + 1)


def test_the_pages_are_current() -> None:
    """`make docs` was run after the last change of a policy or an environment."""
    for path, text in _script("docs").pages().items():
        assert path.read_text("utf-8") == text


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
