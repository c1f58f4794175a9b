"""The regret benchmark: who plays where, and that it tells chance from change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.regret.__main__ import hold_references, main
from benchmarks.regret.audit import complaints
from benchmarks.regret.compare import compared
from benchmarks.regret.scenario import Reference
from benchmarks.regret.scenarios import SCENARIOS
from qbrix.policies import policies
from qbrix.policies.beta_ts import BetaTSPolicy

FROZEN = {
    "bernoulli-two-arms-1": "bd2cfcf12628",
    "bernoulli-two-arms-slow-1": "3f7258126ef8",
    "bernoulli-ten-arms-1": "032cbeb221f6",
    "ten-armed-testbed-1": "a428734d0454",
    "gaussian-five-arms-1": "7314a04f513f",
    "heavy-tailed-1": "55929d56cdf0",
    "poisson-four-arms-1": "09f9bc058ea3",
    "exponential-five-arms-1": "7b0e471e42c8",
    "binomial-shares-1": "8d54ec5eb444",
    "changing-three-arms-1": "fb4b19a449f6",
    "changing-three-arms-detected-1": "1f75dc3de9d6",
    "drifting-1": "6246e19071f0",
    "seasonal-1": "42f2956940c9",
    "item-replacement-1": "9ed2a342a6be",
    "constrained-adversary-1": "cdb737e69941",
    "turns-1": "1c578b5c13a4",
    "lower-bound-1": "41e5002fad3d",
    "expert-advice-1": "588fbd008c12",
    "linear-five-arms-1": "a0e29ab113b0",
    "linear-shared-1": "83c4e557940e",
    "logistic-four-arms-1": "dac4bbcd071a",
    "iris-estimators-1": "de1b1d2202a2",
    "wheel-1": "fb6f524ce7dc",
    "digits-1": "69df366759ca",
    "best-arm-confidence-1": "b2251c191386",
    "best-arm-budget-1": "9ecde0f29fba",
    "delayed-ten-arms-1": "dabbdc92fd03",
    "production-ten-arms-1": "54d55c3e4e0d",
    "arms-come-and-go-1": "3ea4ed4944d6",
}
"""Id → digest of the scenario as it was when it came in."""


def played(path: Path, *, seed: int) -> dict[str, Any]:
    """A small run of two scenarios, as a file."""
    sizes = ["--horizon", "60", "--replications", "30", "--scenario", "poisson-four-arms-1"]
    arguments = ["--seed", str(seed), "--output", str(path)]
    assert main(["run", *sizes, "best-arm-budget-1", *arguments]) == 0
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    first, second = (tmp_path_factory.mktemp("regret") / name for name in ("a.json", "b.json"))
    played(first, seed=1)
    played(second, seed=2)
    return first, second


def test_every_policy_is_in_a_scenario_or_excluded_for_a_reason() -> None:
    assert complaints() == []
    assert main(["audit"]) == 0


def test_the_audit_finds_who_is_missing() -> None:
    names = [*(item.__name__ for item in policies), "NewPolicy"]
    assert complaints(names) == [
        "NewPolicy is in no scenario; add it to one in benchmarks/regret/scenarios/, or give a "
        "reason in EXCLUDED"
    ]
    assert complaints(names, excluded={"NewPolicy": "it is new"}) == []
    wrong = complaints(excluded={"GonePolicy": "it is gone", "UCB1Policy": ""})
    assert wrong == [
        "UCB1Policy is excluded but plays",
        "GonePolicy is excluded but not registered",
        "UCB1Policy is excluded without a reason",
    ]


def test_the_audit_finds_who_cannot_play_where_he_is_listed() -> None:
    counts = replace(SCENARIOS["poisson-four-arms-1"], policies=[BetaTSPolicy()])
    (found,) = complaints([], scenarios={counts.id: counts}, excluded={})
    assert found.startswith("poisson-four-arms-1: BetaTS cannot play: Poisson pays nonnegative")


def test_a_scenario_stays_what_it_was_under_its_id() -> None:
    """One that fails here needs a new id; a new one is added to the list."""
    assert {name: scenario.digest for name, scenario in SCENARIOS.items()} == FROZEN


def test_two_runs_of_the_same_code_differ_by_chance_only(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, files)]) == 0
    assert "7 numbers compared, 0 significantly different" in capsys.readouterr().out


def test_equal_seeds_give_equal_numbers(files: tuple[Path, Path], tmp_path: Path) -> None:
    again = played(tmp_path / "again.json", seed=1)["scenarios"]
    first = json.loads(files[0].read_text(encoding="utf-8"))["scenarios"]
    assert [part["policies"] for part in again.values()] == [
        part["policies"] for part in first.values()
    ]


def _worse(content: dict[str, Any]) -> None:
    row = content["scenarios"]["poisson-four-arms-1"]["policies"]["GammaPoissonTS"]
    row["mean"] += 7.0 * row["standard_error"]


def _another_world(content: dict[str, Any]) -> None:
    content["scenarios"]["poisson-four-arms-1"]["environment"]["parameters"]["means"][0] = 1.1


def _longer(content: dict[str, Any]) -> None:
    content["scenarios"]["poisson-four-arms-1"]["horizon"] = 61


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (_worse, 1, "GammaPoissonTS: .* p = .* MOVED"),
        (_another_world, 1, "not compared: poisson-four-arms-1: another environment"),
        (_longer, 1, "not compared: poisson-four-arms-1: another horizon"),
    ],
)
def test_a_change_is_found(
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    code: int,
    said: str,
) -> None:
    content = json.loads(files[0].read_text(encoding="utf-8"))
    change(content)
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content), encoding="utf-8")
    assert main(["compare", str(files[0]), str(changed)]) == code
    assert re.search(said, capsys.readouterr().out)


def test_a_new_version_of_a_policy_is_told_and_not_counted(files: tuple[Path, Path]) -> None:
    first = json.loads(files[0].read_text(encoding="utf-8"))
    second = json.loads(files[1].read_text(encoding="utf-8"))
    row = second["scenarios"]["poisson-four-arms-1"]["policies"]["GammaPoissonTS"]
    row["id"], row["mean"] = "GammaPoissonTSPolicy@2", 1e6
    del second["scenarios"]["best-arm-budget-1"]
    found = compared(first, second)
    assert found.significant == []
    assert found.alone == ["best-arm-budget-1"]
    assert found.incomparable == [
        "poisson-four-arms-1 · GammaPoissonTS: GammaPoissonTSPolicy@1 became GammaPoissonTSPolicy@2"
    ]


def test_differences_are_corrected_for_their_number() -> None:
    """z = 4.2 has p = 2.7e-5: significant alone at 1e-3, not among 100 numbers."""

    def content(mean: float, others: int) -> dict[str, Any]:
        row = {"id": "It@1", "parameters": {}, "mean": 0.0, "standard_error": 1.0}
        rows = {f"other {i}": row for i in range(others)}
        moved = {**row, "mean": mean * 2.0**0.5}
        keys = ("environment", "measure", "confidence", "schedule", "horizon")
        part = {**dict.fromkeys(keys), "replications": 10**6, "policies": {**rows, "it": moved}}
        return {"scenarios": {"one": part}}

    assert len(compared(content(0.0, 0), content(4.2, 0)).significant) == 1
    assert len(compared(content(0.0, 99), content(4.2, 99)).significant) == 0
    assert len(compared(content(0.0, 99), content(6.0, 99)).significant) == 1


def test_references_are_held_within_four_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six numbers of the testbed, and then one that nobody ever measured."""
    path = str(tmp_path / "references.json")
    run = ["run", "--references", "--scenario", "ten-armed-testbed-1", "--replications", "80"]
    assert main([*run, "--output", path]) == 0
    assert "all of them hold" in capsys.readouterr().out
    wrong = {"Greedy": Reference(0.9, error=0.01)}
    monkeypatch.setitem(
        SCENARIOS,
        "ten-armed-testbed-1",
        replace(SCENARIOS["ten-armed-testbed-1"], references=wrong),
    )
    part = json.loads(Path(path).read_text(encoding="utf-8"))["scenarios"]["ten-armed-testbed-1"]
    part["policies"] = {"Greedy": part["policies"]["Greedy"]}
    assert hold_references({"ten-armed-testbed-1": part}) == 1
    assert "1 of them are wrong" in capsys.readouterr().out


def test_what_cannot_be_run_or_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--scenario", "bernouli"]) == 2
    assert "no scenario 'bernouli'; there are: bernoulli-two-arms-1" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "a").write_text("{}", encoding="utf-8")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "has format None, expected 1" in capsys.readouterr().err
