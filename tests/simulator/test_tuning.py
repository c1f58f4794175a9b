"""Search: who is tried, who goes on, and what is said of the winner."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.policies.sliding_window_ucb import SlidingWindowUCBPolicy
from qbrix.rng import stream
from qbrix.simulator import TuningResult, tune
from qbrix.simulator.space import candidates_of
from tests.simulator.by_hand import ConstantPolicy

ARMS = Bernoulli([0.3, 0.2, 0.9, 0.1])


def tuned(family: Any = ConstantPolicy, space: Any = None, **options: Any) -> TuningResult:
    given = {"arm": [0, 1, 2, 3]} if space is None else space
    settings = {"horizon": 20, "replications": 4, "report_replications": 10, "progress": False}
    return tune(family, given, ARMS, **{**settings, **options})


def test_the_best_arm_is_found_and_its_regret_told_from_seeds_of_its_own() -> None:
    found = tuned()
    assert found.best == ConstantPolicy(arm=2)
    assert found.default == ConstantPolicy(arm=0)
    table = found.summary()
    assert list(table.index) == [
        "tuned, in the search",
        "tuned, fresh seeds",
        "default, fresh seeds",
        "tuned − default, fresh seeds",
    ]
    assert table["regret"].tolist() == pytest.approx([0.0, 0.0, 12.0, -12.0])
    assert table["replications"].tolist() == [12, 10, 10, 10]


def test_a_third_goes_on_to_three_times_the_replications() -> None:
    """9 candidates × 4 replications, 3 × 12, 1 × 12: two rungs, then one is left."""
    found = tuned(EpsilonPolicy, {"eps": [0.1 * i for i in range(1, 10)], "gamma": [1.0]})
    counts = sorted(len(values) for values in found.searched.values())
    assert counts == [4] * 6 + [12] * 3
    table = found.to_frame()
    assert table["replications"].tolist() == [12] * 3 + [4] * 6
    assert table["regret"].iloc[0] == table["regret"].iloc[:3].min()
    assert found.best.parameters()["eps"] == table["eps"].iloc[0]


def test_what_chance_chose_is_corrected_by_fresh_seeds() -> None:
    """Nine equals: the least of nine means lies below all of them, its own fresh mean does not.

    The mean regret of Random is .525 a round. The search's number is the least of nine means of
    three replications; the fresh one, over 2000, is within 5 standard errors of the truth.
    """
    found = tuned(
        BetaTSPolicy,
        {"alpha_prior": [1e9 * i for i in range(1, 10)], "beta_prior": [1e12]},
        replications=2,
        report_replications=2000,
        seed=3,
    )
    fresh = found.report.traces["tuned"].regret[:, -1]
    error = fresh.std(ddof=1) / np.sqrt(2000.0)
    assert abs(fresh.mean() - 0.525 * 20) <= 5.0 * error
    assert found.summary()["regret"].iloc[0] < fresh.mean() - 5.0 * error


def test_the_search_depends_on_its_seed_and_on_nothing_else(tmp_path: Path) -> None:
    space = {"eps": (0.01, 1.0, "log"), "gamma": [0.99, 1.0]}
    first = tuned(EpsilonPolicy, space, candidates=6, folder=tmp_path)
    with ThreadPoolExecutor(2) as executor:
        again = tuned(EpsilonPolicy, space, candidates=6, executor=executor)
    resumed = tuned(EpsilonPolicy, space, candidates=6, folder=tmp_path)
    for other in (again, resumed):
        assert other.best == first.best
        assert list(other.searched) == list(first.searched)
        assert other.report.traces["tuned"].regret.tolist() == (
            first.report.traces["tuned"].regret.tolist()
        )
    assert list(tuned(EpsilonPolicy, space, candidates=6, seed=1).searched) != list(first.searched)


def test_a_class_without_defaults_is_reported_alone() -> None:
    found = tuned(EpsilonPolicy, {"eps": [0.1, 0.5], "gamma": [1.0]})
    assert found.default is None
    assert list(found.report.traces) == ["tuned"]
    assert list(found.summary().index) == ["tuned, in the search", "tuned, fresh seeds"]


def test_provenance_and_both_forms_of_the_table_show_both_numbers() -> None:
    found = tuned()
    told = json.loads(json.dumps(found.provenance, allow_nan=False))
    assert told["best"] == {"arm": 2}
    assert len(told["candidates"]) == 4
    assert told["report"]["policies"]["default"]["parameters"] == {"arm": 0}
    for shown in (repr(found), found._repr_html_()):
        assert "tuned, in the search" in shown
        assert "tuned, fresh seeds" in shown
        assert "best of 4" in shown


def drawn(family: Any, space: Any, *, count: int) -> list[dict[str, Any]]:
    found = candidates_of(family, space, count=count, rng=stream(0))
    return [policy.parameters() for policy in found.values()]


def test_lists_are_combined_where_there_is_room() -> None:
    space = {"eps": [0.1, 0.2], "gamma": [0.9, 1.0]}
    assert drawn(EpsilonPolicy, space, count=4) == [
        {"eps": 0.1, "gamma": 0.9},
        {"eps": 0.1, "gamma": 1.0},
        {"eps": 0.2, "gamma": 0.9},
        {"eps": 0.2, "gamma": 1.0},
    ]
    assert len(drawn(EpsilonPolicy, space, count=3)) <= 3


def test_every_even_part_of_a_range_is_tried_once() -> None:
    """Ten candidates: one per tenth of the linear range, one per factor of 10^.3 of the other."""
    space = {"eps": (0.001, 1.0, "log"), "gamma": (0.5, 1.0, "linear")}
    found = drawn(EpsilonPolicy, space, count=10)
    linear = sorted(int(20 * (row["gamma"] - 0.5)) for row in found)
    ratios = sorted(int(np.log10(row["eps"] / 0.001) / 0.3) for row in found)
    assert linear == ratios == list(range(10))


def test_integers_stay_integers_and_equals_are_tried_once() -> None:
    found = drawn(SlidingWindowUCBPolicy, {"tau": (10, 12, "linear")}, count=20)
    assert sorted(row["tau"] for row in found) == [10, 11, 12]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"family": EpsilonPolicy(eps=0.1, gamma=1.0)},
            InvalidParameter,
            "expected a policy",
        ),
        ({"space": {}}, InvalidParameter, r"space = \{\}, expected hyper-parameters"),
        (
            {"space": {"arms": [1]}},
            UnknownName,
            "hyper-parameter of ConstantPolicy 'arms'",
        ),
        (
            {"space": {"arm": [0, -1]}},
            InvalidParameter,
            r"ConstantPolicy\(arm=-1\): expected",
        ),
        ({"space": {"arm": []}}, InvalidParameter, r"space\['arm'\] = \[\], expected a list"),
        ({"space": {"arm": 3}}, InvalidParameter, r"space\['arm'\] = 3, expected a list"),
        ({"space": {"arm": (0, 3)}}, InvalidParameter, r"\(0, 3\), expected \(low, high, 'log'\)"),
        ({"space": {"arm": (0, 3, "log")}}, InvalidParameter, "finite numbers with 0 < low < high"),
        ({"space": {"arm": (3, 0, "linear")}}, InvalidParameter, "finite numbers with low < high"),
        ({"space": {"arm": (-3, 0, "linear")}}, InvalidParameter, r"ConstantPolicy\(arm=-3\)"),
        (
            {"family": EpsilonPolicy, "space": {"eps": [0.1]}},
            InvalidParameter,
            "EpsilonPolicy needs gamma; add it to the space",
        ),
        ({"family": RandomPolicy, "space": {"a": [1]}}, UnknownName, "of RandomPolicy 'a'"),
        ({"candidates": 1}, InvalidParameter, "candidates = 1"),
        ({"report_replications": 0}, InvalidParameter, "report_replications = 0"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_search(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        tuned(**options)
