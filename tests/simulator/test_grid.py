"""Several environments and seeds: every race as if it were the only one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, Classification, LinearContextual, Rounds
from qbrix.errors import InvalidParameter, SupportError, UnknownName
from qbrix.policies import Policy
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.simulator import GridResult, SimulationResult, simulate, sweep
from tests.simulator.by_hand import ConstantPolicy

EASY, HARD = Bernoulli([0.9, 0.1]), Bernoulli([0.5, 0.4, 0.45])
PLACES = {"easy": EASY, "hard": HARD}
RACE: dict[str, Policy[Any, Any]] = {
    "ts": BetaTSPolicy(),
    "random": RandomPolicy(),
    "first": ConstantPolicy(),
}


def grid(places: Any = PLACES, **options: Any) -> GridResult:
    settings = {
        "policies": RACE,
        "seeds": [3, 8],
        "horizon": 50,
        "replications": 10,
        "progress": False,
        **options,
    }
    return sweep(environments=places, **settings)


@pytest.fixture(scope="module")
def result() -> GridResult:
    return grid()


def assert_equal(a: SimulationResult, b: SimulationResult) -> None:
    for label, trace in b.traces.items():
        for name in ("regret", "realised", "reward", "best", "pulls"):
            assert np.array_equal(getattr(a.traces[label], name), getattr(trace, name)), name


def test_every_race_of_a_grid_is_the_race_alone(result: GridResult) -> None:
    assert (result.environments, result.seeds) == (["easy", "hard"], [3, 8])
    for label, place in PLACES.items():
        for seed in (3, 8):
            alone = simulate(RACE, place, horizon=50, replications=10, seed=seed, progress=False)
            assert_equal(result.race(label, seed=seed), alone)


def test_neither_order_nor_executor_shows_in_any_number(result: GridResult) -> None:
    turned = dict(reversed(RACE.items()))
    with ThreadPoolExecutor(2) as executor:
        other = grid(
            dict(reversed(PLACES.items())), seeds=[8, 3], policies=turned, executor=executor
        )
    for (label, seed), race in other.races.items():
        assert_equal(race, result.race(label, seed=seed))


def test_several_seeds_are_one_race_of_more_replications(result: GridResult) -> None:
    pooled = result.race("easy")
    assert (pooled.replications, pooled.seed) == (20, (3, 8))
    assert "20 replications, seeds 3, 8" in repr(pooled)
    parts = [result.race("easy", seed=seed).traces["ts"].regret for seed in (3, 8)]
    assert np.array_equal(pooled.traces["ts"].regret, np.concatenate(parts))
    assert json.loads(json.dumps(pooled.provenance))["seed"] == [3, 8]


def test_the_summary_has_a_row_per_environment_and_policy(result: GridResult) -> None:
    table = result.summary()
    assert table.index.names == ["environment", "policy"]
    assert len(table) == 6
    assert float(table["regret"]["hard", "first"]) == 0.0
    assert float(table["regret"]["easy", "random"]) == pytest.approx(
        result.race("easy").traces["random"].regret[:, -1].mean()
    )


def test_each_environment_has_its_share_of_the_risk(result: GridResult) -> None:
    """With two of them at 90 % each table is at 95 %."""
    table = result.compare("random", confidence=0.9)
    alone = result.race("easy").compare("random", confidence=0.95)
    column = "extra_regret_low"
    assert float(table[column]["easy", "ts"]) == pytest.approx(float(alone[column]["ts"]))
    summary = result.summary(confidence=0.9)["extra_regret_high"]
    there = result.race("hard").summary(together=0.95)["extra_regret_high"]
    assert float(summary["hard", "ts"]) == pytest.approx(float(there["ts"]))


def test_the_tidy_frame_names_environment_and_seed(result: GridResult) -> None:
    frame = result.to_frame()
    checkpoints = len(result.race("easy").checkpoints)
    assert len(frame) == 2 * 2 * 3 * 10 * checkpoints
    assert set(frame["seed"]) == {3, 8}
    assert set(frame["environment"]) == {"easy", "hard"}


def test_provenance_lists_every_race(result: GridResult) -> None:
    told = json.loads(json.dumps(result.provenance, allow_nan=False))
    assert [(race["label"], race["seed"]) for race in told["races"]] == list(result.races)


def test_a_grid_shows_a_table_per_environment(result: GridResult) -> None:
    assert repr(result).startswith("<GridResult: 2 environments × 2 seeds>")
    html = result._repr_html_()
    assert html.count("<table>") == 2
    assert html.index("Bernoulli([0.9, 0.1])") < html.index("Bernoulli([0.5, 0.4, 0.45])")


def test_environments_of_a_list_are_labelled_by_what_they_show() -> None:
    found = grid([EASY, HARD], seeds=1)
    assert found.environments == ["Bernoulli([0.9, 0.1])", "Bernoulli([0.5, 0.4, 0.45])"]
    assert grid(EASY, seeds=range(3)).seeds == [0, 1, 2]


def test_every_environment_may_have_its_own_length() -> None:
    labels = np.arange(40) % 3
    places = {
        "short": Classification(labels[:20, None], labels[:20]),
        "long": Classification(labels[:, None], labels),
    }
    found = grid(places, horizon=None)
    assert [found.race(label).horizon for label in places] == [20, 40]


class Interrupted(Bernoulli):
    """Somebody presses Ctrl-C in the third race."""

    started = 0

    def deal(self, rng: Any, *, replications: int, sizes: list[int]) -> Iterator[Rounds]:
        type(self).started += 1
        if type(self).started == 3:
            raise KeyboardInterrupt
        return super().deal(rng, replications=replications, sizes=sizes)


def test_an_interrupted_grid_keeps_what_is_finished_and_goes_on_from_a_folder(
    result: GridResult, tmp_path: Path
) -> None:
    places = {"easy": Interrupted([0.9, 0.1]), "hard": HARD}
    Interrupted.started = 1
    with pytest.warns(RuntimeWarning, match="interrupted; 1 of 4 races are finished"):
        early = grid(places, folder=tmp_path)
    assert early.interrupted
    assert list(early.races) == [("easy", 3)]
    later = grid(places, folder=tmp_path)
    assert Interrupted.started == 4
    for key, race in result.races.items():
        assert_equal(later.races[key], race)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"places": []}, InvalidParameter, "environments is empty"),
        ({"places": None}, InvalidParameter, "environments = None, expected an environment, a li"),
        (
            {"places": [0.9, 0.8]},
            InvalidParameter,
            r"environments\['0.9'\] is 0.9, expected an instance of Env",
        ),
        ({"places": [EASY, EASY]}, InvalidParameter, "the same name; give them labels"),
        ({"seeds": []}, InvalidParameter, r"seeds = \[\], expected different"),
        ({"seeds": [1, 1]}, InvalidParameter, r"seeds = \[1, 1\], expected different"),
        ({"seeds": "12"}, InvalidParameter, "seeds = '12', expected an integer"),
        ({"seeds": -1}, InvalidParameter, "seeds = -1"),
        (
            {"places": {"it": LinearContextual.random(n_arms=2, dim=2)}},
            SupportError,
            "LinearContextual pays continuous rewards",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_played(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        grid(**options)


def test_unknown_labels_are_named(result: GridResult) -> None:
    with pytest.raises(UnknownName, match="unknown environment label 'eesy'; did you mean easy"):
        result.race("eesy")
    with pytest.raises(UnknownName, match="unknown seed '4'"):
        result.race("easy", seed=4)
