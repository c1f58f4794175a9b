"""Logged data: folded again it is what served; every claim is checked; nothing false passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.bundle import export
from qbrix.bundle.archive import pack, unpack
from qbrix.errors import BundleError, InvalidParameter, NotFound, StateMismatch
from qbrix.evaluation import Decisions, LoggedData, LoggedDecision
from qbrix.ledger import PolicyRef
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.state import digest
from tests.evaluation.production import Production, a_year

BETA_TS = PolicyRef(name="BetaTSPolicy@1", parameters={"alpha_prior": 1.0, "beta_prior": 1.0})
LIN_UCB = PolicyRef(name="LinUCBPolicy@1")
LIN_TS = PolicyRef(name="LinTSPolicy@1")


@pytest.fixture(scope="module")
def production() -> Production:
    """A year of Beta Thompson sampling."""
    return a_year(BETA_TS)


@pytest.fixture(scope="module")
def log(production: Production) -> LoggedData:
    """Its log."""
    return production.log()


def with_decision(log: LoggedData, index: int, **changes: object) -> LoggedData:
    """The log with one decision changed."""
    rows = [log.decisions[i] for i in range(len(log.decisions))]
    rows[index] = replace(rows[index], **changes)  # type: ignore[arg-type]
    return changed(log, decisions=Decisions.of(rows))


def changed(log: LoggedData, **changes: object) -> LoggedData:
    """The log with some of its parts replaced."""
    parts = ("experiment", "batches", "decisions", "arm_names", "bundles")
    return LoggedData(**{**{name: getattr(log, name) for name in parts}, **changes})


@pytest.mark.parametrize(("ref", "dim"), [(BETA_TS, 0), (LIN_UCB, 3), (LIN_TS, 3)])
def test_an_honest_log_verifies_in_all_parts(ref: PolicyRef, dim: int) -> None:
    production = a_year(ref, dim=dim)
    verified = production.log().verify()
    assert verified.problems == ()
    assert verified.holds
    assert verified.versions == verified.batches == len(production.deployments)
    assert verified.recomputed == len(production.decisions) - 1
    assert verified.forced == 1
    assert verified.max_propensity_error <= 1e-10
    assert verified.without_log == 0
    assert "all holds" in repr(verified)


def test_what_a_pause_chose_has_no_law(production: Production, log: LoggedData) -> None:
    paused = replace(
        log.decisions[0],
        decision_id="f" * 32,
        version=0,
        arm=0,
        u=0.0,
        low=0.0,
        propensity=1.0,
        source="default",
    )
    rows = [log.decisions[index] for index in range(len(log.decisions))]
    verified = changed(log, decisions=Decisions.of([*rows, paused])).verify()
    assert verified.problems == ()
    assert verified.forced == 2


def test_folding_gives_the_served_state_to_the_bit(production: Production, log: LoggedData) -> None:
    for version in (0, 7, len(production.deployments) - 1):
        folded, served = log.fold(version), production.deployments[version]
        assert digest(folded.state) == digest(served.state)
        assert folded.state_digest == served.state_digest
        assert folded.ledger_digest == served.ledger_digest
    assert log.fold().version == production.now.version


def test_a_version_that_the_log_does_not_have_is_refused(log: LoggedData) -> None:
    last = len(log.batches) - 1
    with pytest.raises(InvalidParameter, match=f"the versions 0 … {last}"):
        log.fold(last + 1)


@pytest.mark.parametrize("what", ["ledger_digest", "state_digest"])
def test_another_digest_is_refused_with_version_and_both_digests(
    log: LoggedData, what: str
) -> None:
    changes: dict[str, Any] = {what: "0" * 64}
    wrong = replace(log.batches[5], **changes)
    broken = changed(log, batches=(*log.batches[:5], wrong, *log.batches[6:]))
    right = getattr(log.batches[5], what)
    with pytest.raises(StateMismatch, match=f"version 5 .*{'0' * 64}.*{right}"):
        broken.fold()
    assert broken.fold(4).version == 4
    verified = broken.verify()
    assert not verified.holds
    assert verified.versions == 5


def test_a_missing_batch_is_noticed(log: LoggedData) -> None:
    assert not changed(log, batches=(*log.batches[:5], *log.batches[6:])).verify().holds


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda d: {"arm": (d.arm + 1) % 3}, "interval is off|its reward tells"),
        (lambda d: {"u": d.low + d.propensity}, "u is not in its arm's interval"),
        (lambda d: {"propensity": d.propensity + 1e-9}, "interval is off by 1e-09"),
        (lambda d: {"version": d.version + 1}, "interval is off|its reward tells"),
        (lambda d: {"version": 999}, "version 999, which the ledger does not have"),
        (lambda d: {"epoch": 1}, "epoch 1, but version 6 belongs to epoch 0"),
        (lambda d: {"arm": 3}, "there is no arm 3"),
    ],
)
def test_a_false_decision_is_told(
    log: LoggedData, spoil: Callable[[LoggedDecision], dict[str, object]], sentence: str
) -> None:
    index = log.decisions.versions.tolist().index(6)
    broken = with_decision(log, index, **spoil(log.decisions[index]))
    problems = " ".join(broken.verify().problems)
    assert log.decisions.decision_ids[index] in problems or "version 999" in problems
    assert any(part in problems for part in sentence.split("|"))


def test_a_reward_counted_twice_is_told(production: Production) -> None:
    twice = a_year(BETA_TS)
    twice.learn(twice.decisions[:1])
    problems = twice.log().verify().problems
    assert len(problems) == 1
    assert "was counted twice" in problems[0]


def test_several_rewards_of_one_decision_under_names_are_no_duplicates() -> None:
    production = a_year(BETA_TS)
    first = production.decisions[:1]
    production.learn(first, feedback_id="refund")
    assert production.log().verify().holds


def test_a_decision_that_the_log_has_lost_is_known_from_its_reward(log: LoggedData) -> None:
    kept = [log.decisions[i] for i in range(1, len(log.decisions))]
    verified = changed(log, decisions=Decisions.of(kept)).verify()
    assert verified.holds
    assert verified.without_log == 1


def test_many_problems_of_a_kind_are_summed_up(log: LoggedData) -> None:
    rows = [log.decisions[i] for i in range(len(log.decisions))]
    broken = changed(log, decisions=Decisions.of(replace(row, u=1.0 - 2**-53) for row in rows))
    problems = broken.verify().problems
    assert len(problems) < len(rows)
    assert any("more of this kind (draw)" in problem for problem in problems)


def test_replay_tells_the_decision_step_by_step(production: Production, log: LoggedData) -> None:
    decision = production.decisions[30]
    replayed = log.replay(decision.decision_id)
    assert replayed.matches
    assert replayed.deployment.version == decision.version
    assert replayed.law.sum() == pytest.approx(1.0)
    assert (replayed.arm, replayed.low) == (decision.arm, decision.low)
    assert replayed.low <= replayed.u < replayed.low + replayed.propensity
    shown = repr(replayed)
    assert "BetaTSPolicy@1(alpha_prior=1.0, beta_prior=1.0)" in shown
    assert ["red", "green", "blue"][decision.arm] in shown
    assert shown.endswith("the same")
    assert f">{decision.decision_id}</td>" in replayed._repr_html_()


def test_replay_shows_floor_and_retired_arms() -> None:
    production = a_year(BETA_TS)
    by_version = {one.version: one for one in production.decisions if one.source != "gate"}
    masked = max(v for v, one in by_version.items() if one.epoch == 0)
    replayed = production.log().replay(by_version[masked].decision_id)
    assert replayed.law[1] == replayed.mixed[1] == 0.0
    # A floor of 0.2 shared by the two arms that are left.
    np.testing.assert_allclose(replayed.mixed[[0, 2]], 0.8 * replayed.law[[0, 2]] + 0.1)
    assert "floor 0.2" in repr(replayed)
    assert "retired" in repr(replayed)
    (forced,) = [one for one in production.decisions if one.source == "gate"]
    assert "by a gate" in repr(production.log().replay(forced.decision_id))


def test_replay_finds_a_decision_that_only_its_reward_tells(log: LoggedData) -> None:
    without = changed(log, decisions=Decisions.of([]))
    identifier = log.rows.decision_ids[3]
    assert without.replay(identifier).matches


def test_an_unknown_decision_is_not_found(log: LoggedData) -> None:
    with pytest.raises(NotFound, match="no decision"):
        log.replay("f" * 32)


def test_a_falsified_decision_does_not_match(log: LoggedData) -> None:
    at = int(np.flatnonzero(log.decisions.versions == 6)[0])
    broken = with_decision(log, at, arm=(log.decisions[at].arm + 1) % 3)
    replayed = broken.replay(log.decisions.decision_ids[at])
    assert not replayed.matches
    assert "NOT the same" in repr(replayed)


def test_the_frame_has_a_row_for_every_reward(production: Production, log: LoggedData) -> None:
    frame = log.frame()
    assert len(frame) == len(log) == len(log.rows)
    assert frame["disposition"].value_counts()["gate"] == 1
    assert set(frame["arm_name"]) <= {"red", "green", "blue"}
    assert (frame["reward"] == (frame["arm"] % 2 == 0)).all()
    assert (frame["received_at"] - frame["decided_at"]).dt.total_seconds().eq(0.05).all()
    assert (frame["low"] <= frame["u"]).all()
    assert frame["learned_version"].is_monotonic_increasing
    assert (frame["learned_version"] > frame["version"]).all()
    np.testing.assert_array_equal(frame["propensity"], log.rows.propensities)


def test_the_columns_of_a_log_are_those_of_the_rewards_that_count(log: LoggedData) -> None:
    frame = log.frame()
    counted = frame[frame["disposition"] == "folded"]
    assert 0 < len(counted) < len(frame)
    np.testing.assert_array_equal(counted["arm"], log.arms)
    np.testing.assert_array_equal(counted["reward"], log.rewards)
    np.testing.assert_array_equal(counted["propensity"], log.propensities)
    np.testing.assert_array_equal(counted["version"], log.state_versions)


def test_contexts_come_in_one_table() -> None:
    production = a_year(LIN_UCB, dim=3)
    contexts = production.log().contexts
    assert contexts is not None
    assert contexts.shape == (len(production.log().arms), 3)
    assert a_year(BETA_TS).log().contexts is None


def test_an_empty_log_is_a_log() -> None:
    log = Production(BETA_TS).log()
    assert log.verify().holds
    assert len(log.frame()) == 0
    assert "0 rewards" in repr(log)


def test_a_saved_log_is_loaded_whole(log: LoggedData, tmp_path: Path) -> None:
    log.save(tmp_path / "year.log")
    again = LoggedData.load(tmp_path / "year.log")
    assert again.fold().state_digest == log.fold().state_digest
    assert again.decisions.to_bytes() == log.decisions.to_bytes()
    assert again.arm_names == log.arm_names
    assert again.verify() == log.verify()
    assert [item.name for item in tmp_path.iterdir()] == ["year.log"]


def test_a_saved_log_carries_the_bundles_that_it_needs(tmp_path: Path) -> None:
    bundle = export(BetaTSPolicy(), path=tmp_path / "p.qbrix", arms=3)
    production = Production(BETA_TS, bundles=[bundle])
    promoted = PolicyRef(
        name="BetaTSPolicy@1", parameters={"alpha_prior": 3.0}, bundle=bundle.sha256
    )
    configuration = replace(production.now.configuration, policy=promoted)
    production.control("promote", configuration, start="bundle")
    production.learn([production.decide() for _ in range(5)])
    production.log().save(tmp_path / "year.log")
    again = LoggedData.load(tmp_path / "year.log")
    assert again.verify().holds
    assert again.fold().policy == BetaTSPolicy(alpha_prior=3.0)


def test_damaged_files_are_refused(log: LoggedData, tmp_path: Path) -> None:
    path = tmp_path / "year.log"
    log.save(path)
    members, rng = unpack(path.read_bytes()), np.random.default_rng(2)
    for name in members:
        for _ in range(20):
            cut = int(rng.integers(len(members[name])))
            path.write_bytes(pack({**members, name: members[name][:cut]}))
            with pytest.raises((BundleError, StateMismatch)):
                LoggedData.load(path)
    path.write_bytes(pack({"log.json": b'{"format": 2}'}))
    with pytest.raises(BundleError, match="format 2"):
        LoggedData.load(path)


def test_a_log_of_format_1_is_still_read_and_folded() -> None:
    # Written by the first version of the format: a year of a bundled policy.
    log = LoggedData.load(Path(__file__).parent / "data" / "format_1.qlog")
    assert log.verify().holds
    assert (log.fold().epoch, log.fold().version) == (1, 20)
    assert len(log) == len(log.decisions) == 67
