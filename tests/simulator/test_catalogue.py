"""What holds for races of everything that is registered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, Classification, Environment, environments
from qbrix.policies import Policy, policies
from qbrix.policies.gaussian_ts import GaussianTSPolicy
from qbrix.policies.lin_ts import LinTSPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.rng import stream
from qbrix.simulator import Schedule, SimulationResult, load_result, simulate
from qbrix.state import digest

LATE = Schedule(delay=2, batch=3)


def assert_equal(a: SimulationResult, b: SimulationResult) -> None:
    for label, trace in a.traces.items():
        for name in ("regret", "realised", "reward", "best", "pulls"):
            assert np.array_equal(getattr(trace, name), getattr(b.traces[label], name)), name


@pytest.mark.parametrize("kind", list(environments), ids=lambda kind: kind.__name__)
def test_a_race_anywhere_is_the_same_on_an_executor_from_a_folder_and_from_a_file(
    kind: type[Environment], tmp_path: Path
) -> None:
    place = kind.example()
    racers: dict[str, Policy[Any, Any]] = {"random": RandomPolicy(), "ts": GaussianTSPolicy()}
    if place.dim:
        racers["lin"] = LinTSPolicy()
    options: dict[str, Any] = {
        "horizon": min(30, place.length or 30),
        "replications": 4,
        "schedule": LATE,
        "progress": False,
    }
    whole = simulate(racers, place, **options)
    with ThreadPoolExecutor(2) as executor:
        spread = simulate(racers, place, executor=executor, folder=tmp_path / "pieces", **options)
    assert_equal(spread, whole)
    assert_equal(simulate(racers, place, folder=tmp_path / "pieces", **options), whole)
    whole.save(tmp_path / "one.race")
    loaded = load_result(tmp_path / "one.race")
    assert_equal(loaded, whole)
    assert loaded.provenance == whole.provenance


@pytest.mark.parametrize("kind", list(policies), ids=lambda kind: kind.__name__)
def test_the_final_state_of_any_policy_comes_back_from_a_folder_and_from_a_file(
    kind: type[Policy[Any, Any]], tmp_path: Path
) -> None:
    policy = kind.example()
    place: Environment = Bernoulli([0.3, 0.5])
    if policy.capabilities.context:
        contexts = policy.example_contexts(stream(1), n=8, n_arms=2, dim=6)
        place = Classification(contexts, ["a", "b"] * 4, bias=False)
    options: dict[str, Any] = {
        "horizon": 4,
        "replications": 2,
        "keep_states": True,
        "folder": tmp_path / "pieces",
        "progress": False,
    }
    played = simulate({"it": policy}, place, **options)
    again = simulate({"it": policy}, place, **options)
    played.save(tmp_path / "one.race")
    loaded = load_result(tmp_path / "one.race")
    assert loaded.policies["it"] == policy
    for replication in range(2):
        state = digest(played.state("it", replication=replication))
        assert digest(again.state("it", replication=replication)) == state
        assert digest(loaded.state("it", replication=replication)) == state
