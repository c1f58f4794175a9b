"""A race as a file: the same tables, the same provenance, nothing that runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, Classification, Delayed
from qbrix.errors import InvalidParameter
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.klucb import KLUCBPolicy
from qbrix.simulator import (
    Schedule,
    SimulationResult,
    load_result,
    load_sweep,
    simulate,
    sweep,
)
from qbrix.simulator.archive import read_archive, write_archive
from qbrix.simulator.saving import Absent
from qbrix.state import digest
from tests.simulator.by_hand import ConstantPolicy

RACE: Any = {"ts": BetaTSPolicy(alpha_prior=2.0), "kl": KLUCBPolicy()}
ARMS = Bernoulli([0.2, 0.7])


def race(policies: Any = RACE, environment: Any = ARMS, **options: Any) -> SimulationResult:
    settings = {"horizon": 30, "replications": 6, "seed": 4, "progress": False, **options}
    return simulate(policies, environment, **settings)


def assert_same(found: SimulationResult, saved: SimulationResult) -> None:
    assert found.provenance == saved.provenance
    assert found.summary().equals(saved.summary())
    assert found.to_frame().equals(saved.to_frame())
    assert repr(found) == repr(saved)
    assert found._repr_html_() == saved._repr_html_()


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    saved = race(keep_states=True, schedule=Schedule(delay=3, batch=2))
    saved.save(tmp_path / "one.race")
    found = load_result(tmp_path / "one.race")
    assert_same(found, saved)
    assert found.policies == saved.policies
    assert digest(found.state("kl", replication=5)) == digest(saved.state("kl", replication=5))
    assert found.schedule == Schedule(delay=3, batch=2)


def test_a_loaded_race_can_be_run_again(tmp_path: Path) -> None:
    saved = race(environment=Delayed(ARMS, delay=2))
    saved.save(tmp_path / "one.race")
    found = load_result(tmp_path / "one.race")
    again = race(dict(found.policies), found.environment, seed=found.seed)
    assert np.array_equal(again.traces["ts"].regret, saved.traces["ts"].regret)


def test_versions_are_those_of_the_race_not_of_the_reader(tmp_path: Path) -> None:
    saved = race()
    saved.save(tmp_path / "one.race")
    header, tables = read_archive(tmp_path / "one.race", remedy="")
    assert header["race"]["versions"] == dict(saved.versions)
    header["race"]["versions"]["qbrix"] = "0.0.9"
    write_archive(tmp_path / "old.race", header, tables)
    assert load_result(tmp_path / "old.race").provenance["versions"]["qbrix"] == "0.0.9"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnregisteredPolicy(ConstantPolicy):
    """Known to this file only."""


def test_what_the_reader_does_not_know_is_told_and_does_not_play(tmp_path: Path) -> None:
    labels = np.arange(30) % 2
    place = Classification(labels[:, None], labels)
    saved = race([UnregisteredPolicy(arm=1)], place, keep_states=True)
    saved.save(tmp_path / "one.race")
    found = load_result(tmp_path / "one.race")
    (policy,) = found.policies.values()
    assert isinstance(policy, Absent)
    assert isinstance(found.environment, Absent)
    assert found.states is None
    assert_same(found, saved)
    found.save(tmp_path / "again.race")
    assert_same(load_result(tmp_path / "again.race"), saved)
    assert (found.environment.n_arms, found.environment.dim) == (2, 2)
    with pytest.raises(InvalidParameter, match="expected an instance of"):
        race(dict(found.policies), ARMS)


def test_a_sweep_goes_into_one_file(tmp_path: Path) -> None:
    saved = sweep(
        RACE,
        {"a": ARMS, "b": Bernoulli([0.5, 0.4])},
        seeds=[1, 2],
        horizon=20,
        replications=4,
        progress=False,
    )
    saved.save(tmp_path / "all.sweep")
    found = load_sweep(tmp_path / "all.sweep")
    assert list(found.races) == list(saved.races)
    assert found.provenance == saved.provenance
    assert found.summary().equals(saved.summary())
    found.race("a").save(tmp_path / "pooled.race")
    assert load_result(tmp_path / "pooled.race").seed == (1, 2)


def test_other_files_are_refused_by_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "all.sweep"
    sweep(RACE, ARMS, horizon=5, replications=2, progress=False).save(path)
    with pytest.raises(InvalidParameter, match=r"holds a sweep of format 1, expected a race .* lo"):
        load_result(path)
    path.write_bytes(b"not ours")
    with pytest.raises(InvalidParameter, match=r"was not written by qbrix; .* reads bundles"):
        load_sweep(path)
    with pytest.raises(FileNotFoundError):
        load_result(tmp_path / "nowhere")


@pytest.mark.parametrize("path", [None, 5, ""])
def test_only_a_path_leads_to_a_file(path: Any, tmp_path: Path) -> None:
    found = race(horizon=2, replications=2)
    for use in (load_result, load_sweep, found.save):
        with pytest.raises(InvalidParameter, match="expected a path"):
            use(path)
    with pytest.raises(InvalidParameter, match="is a folder"):
        found.save(tmp_path)


def test_a_process_that_writes_the_same_piece_at_the_same_time_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write the same; the first one sweeps the other's draft away before it is in place."""
    path = tmp_path / "piece.npz"

    def another_process(_: int) -> None:
        monkeypatch.undo()
        write_archive(path, {"kind": "piece"}, {"ones": np.ones(3)})
        for draft in tmp_path.glob("*.tmp"):
            draft.unlink()

    monkeypatch.setattr(os, "fsync", another_process)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    write_archive(path, {"kind": "piece"}, {"ones": np.ones(3)})
    header, tables = read_archive(path, remedy="")
    assert header == {"kind": "piece"}
    assert tables["ones"].tolist() == [1.0, 1.0, 1.0]
    assert [item.name for item in tmp_path.iterdir()] == ["piece.npz"]
