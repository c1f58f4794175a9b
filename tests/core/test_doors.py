"""What a newcomer passes by mistake is refused in a sentence that names it, at every door."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import qbrix
from qbrix.environments import Bernoulli, Classification, from_gymnasium, to_gymnasium
from qbrix.errors import BundleError, QbrixError
from qbrix.policies import policies
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.lin_ts import LinTSPolicy
from qbrix.testing import check_environment, check_policy

ROWS = [[0.0], [1.0]]
WRONG: list[Any] = [None, 5, True, float("nan"), [], {}, [[0.5]], object()]
LINEAR = LinTSPolicy()
CLIENT = qbrix.Client("http://127.0.0.1:1", "optiq_x")  # nobody is there, and nobody is asked
ONE_STATE = LINEAR.prepare(LINEAR.init(n_arms=2, dim=2))
DOORS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "load": ("path", qbrix.load),
    "Bundle": ("bytes", qbrix.Bundle),
    "export path": ("path", lambda given: qbrix.export(BetaTSPolicy(), arms=2, path=given)),
    "url": ("url", lambda given: qbrix.Client(given, "optiq_x")),
    "api_key": ("api_key", lambda given: qbrix.Client("http://127.0.0.1:1", given)),
    "reward": ("reward = ", lambda given: CLIENT.feedback("id", given)),
    "vector": ("vector", lambda given: CLIENT.select("button", vector=given)),
    "arms of a pool": ("arms = ", lambda given: CLIENT.create_pool("colours", f"{given}")),
    "check_policy": ("Policy", check_policy),
    "check_environment": ("Environment", check_environment),
    "to_gymnasium": ("environment", lambda given: to_gymnasium(given, horizon=3)),
    "from_gymnasium": ("make", from_gymnasium),
    "context": ("context", lambda given: LINEAR.propensities(ONE_STATE, given)),
    "batch": ("batch", lambda given: BetaTSPolicy().update(BetaTSPolicy().init(n_arms=2), given)),
}
RIGHT: list[tuple[str, Any]] = [
    ("reward", 5),
    ("vector", None),
    ("vector", []),
]  # what some doors let in


@pytest.mark.parametrize("door", DOORS)
def test_what_does_not_belong_is_refused_by_name(door: str) -> None:
    word, use = DOORS[door]
    for wrong in [*WRONG, ["red"]]:
        if (door, wrong) in RIGHT:
            continue
        with pytest.raises(QbrixError, match=word):
            use(wrong)


@pytest.mark.parametrize("n_arms", [None, "2", 0, -1, 2.0, True, float("nan"), [2]])
def test_no_policy_begins_without_a_number_of_arms(n_arms: Any) -> None:
    for policy in (item.example() for item in policies):
        with pytest.raises(QbrixError, match="arm"):
            policy.init(n_arms=n_arms, dim=2)


@pytest.mark.parametrize("dim", [None, "2", 0, -1, 2.0, True])
def test_no_contextual_policy_begins_without_a_number_of_features(dim: Any) -> None:
    for policy in (item.example() for item in policies if item.capabilities.context):
        with pytest.raises(QbrixError, match="dim"):
            policy.init(n_arms=2, dim=dim)


def test_labels_of_several_types_have_no_order() -> None:
    with pytest.raises(QbrixError, match="cannot be sorted"):
        Classification(ROWS, np.array([1, "one"], dtype=object))


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_label_is_no_class(missing: Any) -> None:
    with pytest.raises(QbrixError, match="missing label"):
        Classification(ROWS, [1, missing])


def test_a_folder_is_no_bundle(tmp_path: Any) -> None:
    with pytest.raises(BundleError, match="is a folder"):
        qbrix.load(tmp_path)


@pytest.mark.parametrize("arms", [float("nan"), object(), "red", [1, 2]])
def test_arms_are_names_or_a_number(arms: Any, tmp_path: Any) -> None:
    with pytest.raises(QbrixError, match="arms = "):
        qbrix.export(BetaTSPolicy(), arms=arms, path=tmp_path / "p.qbrix")


def test_every_room_opens_by_its_name_alone() -> None:
    """In a process of its own, where nothing else has opened it."""
    rooms = ("policies.get", "environments.Bernoulli", "testing.check_policy", "theory", "errors")
    lines = [f"assert qbrix.{room}" for room in rooms]
    subprocess.run([sys.executable, "-c", "\n".join(["import qbrix", *lines])], check=True)


def test_what_is_right_comes_in() -> None:
    assert Classification(ROWS, ["a", "b"]).n_arms == 2
    assert check_environment(Bernoulli([0.5, 0.4]))
