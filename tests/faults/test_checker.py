"""The judge of the fault tests believes an honest run, and finds each kind of lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.ledger import Batch, Rows
from serving.storage import codec
from serving.storage.base import DeadLetter
from tests.faults.checker import Counts, Verdict, check
from tests.faults.evidence import Evidence, reward_key
from tests.faults.forged import SECRETS, Run, honest_run, refold
from tests.faults.history import Attempt, Change, History, Mark

Case = tuple[Run, Evidence]


@pytest.fixture
async def case() -> Case:
    return await honest_run()


def judged(run: Run, evidence: Evidence, **options: Any) -> Verdict:
    return check(run.history, evidence, SECRETS, **options)


def must_find(sentence: str, run: Run, evidence: Evidence, **options: Any) -> None:
    found = judged(run, evidence, **options).breaches
    assert any(sentence in breach for breach in found), found


def batches_of(run: Run, evidence: Evidence) -> list[Batch]:
    return [stored.batch for stored in evidence.batches[run.record.id]]


def with_rows(batch: Batch, **columns: Any) -> Batch:
    """The batch with other columns in its rows."""
    assert batch.rows is not None
    return replace(batch, rows=replace(batch.rows, **columns))


def only(rows: Rows, keep: list[int]) -> dict[str, Any]:
    """Columns of some of the rows."""
    names = "arms rewards u low propensities state_versions epochs dispositions decided_ms"
    columns: dict[str, Any] = {
        name: getattr(rows, name)[keep] for name in (*names.split(), "received_ms")
    }
    columns["decision_ids"] = tuple(rows.decision_ids[n] for n in keep)
    columns["feedback_ids"] = tuple(rows.feedback_ids[n] for n in keep)
    return columns


def forge(case: Case, **columns: Any) -> Evidence:
    """The last batch with other numbers, and all chains made to agree with it."""
    run, evidence = case
    *before, last = batches_of(run, evidence)
    return refold(run, evidence, [*before, with_rows(last, **columns)])


def last_rows(case: Case) -> Rows:
    rows = batches_of(*case)[-1].rows
    assert rows is not None
    return rows


def test_an_honest_run_is_believed(case: Case) -> None:
    # 20 decisions, 7 of them (0, 3, … 18) rewarded twice.
    verdict = judged(*case)
    assert verdict.breaches == []
    assert verdict.counts == Counts(
        sent=27, accepted=20, duplicate=7, late=0, rejected=0, dead=0, unanswered=0
    )


def test_making_the_chains_again_is_no_lie_by_itself(case: Case) -> None:
    run, evidence = case
    assert judged(run, refold(run, evidence, batches_of(*case))).breaches == []


def test_an_acknowledged_reward_that_is_not_in_the_ledger(case: Case) -> None:
    evidence = forge(case, **only(last_rows(case), list(range(7))))
    must_find("is lost", case[0], evidence)


def test_a_reward_that_is_counted_twice(case: Case) -> None:
    evidence = forge(case, **only(last_rows(case), [0, 1, 2, 3, 4, 5, 6, 7, 3]))
    must_find("is counted 2 times", case[0], evidence)


def test_a_reward_that_nobody_sent(case: Case) -> None:
    run, evidence = case
    sent = run.history.attempts[-1].request_id
    run.history.attempts = [
        one for one in run.history.attempts if one.kind == "select" or one.request_id != sent
    ]
    must_find("nobody sent", run, evidence)


def test_a_reward_that_was_changed_on_the_way(case: Case) -> None:
    rewards = last_rows(case).rewards.copy()
    rewards[2] = 0.125
    must_find("counted as 0.125, which nobody sent", case[0], forge(case, rewards=rewards))


def test_a_row_that_is_not_what_the_token_says(case: Case) -> None:
    arms = (last_rows(case).arms + 1) % 3
    must_find("its token", case[0], forge(case, arms=arms))


def test_a_reward_that_was_refused_and_counted_all_the_same(case: Case) -> None:
    run, evidence = case
    sent = run.history.attempts[-1].request_id
    run.history.attempts = [
        replace(one, outcome="failed", status=400)
        if one.kind == "feedback" and one.request_id == sent
        else one
        for one in run.history.attempts
    ]
    must_find("told it was refused", run, evidence)


def test_a_reward_without_an_answer_may_be_counted_or_not(case: Case) -> None:
    run, evidence = case
    one = next(one for one in run.history.of("feedback") if one.request_id)
    run.reward(one.request_id, reward=one.reward, outcome="unknown")
    assert judged(run, evidence).breaches == []
    sent = run.history.attempts[-2].request_id
    run.history.attempts = [
        replace(one, outcome="unknown", status=0, said={})
        if one.request_id == sent and one.kind == "feedback"
        else one
        for one in run.history.attempts
    ]
    assert judged(run, evidence).breaches == []
    rows = last_rows(case)
    assert judged(run, forge(case, **only(rows, list(range(7))))).breaches == []


def test_a_version_that_is_missing(case: Case) -> None:
    run, evidence = case
    stored = list(evidence.batches[run.record.id])
    del stored[1]
    broken = replace(evidence, batches={run.record.id: stored})
    must_find("version 2 stands where 1 should", run, broken)


@pytest.mark.parametrize("chain", ["ledger_digest", "state_digest"])
def test_a_chain_that_breaks(case: Case, chain: str) -> None:
    run, evidence = case
    stored = list(evidence.batches[run.record.id])
    setattr_ = {chain: "0" * 64}
    first = stored[1]
    fields = {name: getattr(first, name) for name in first.__struct_fields__} | setattr_
    stored[1] = type(first)(**fields)
    must_find("breaks at version 1", run, replace(evidence, batches={run.record.id: stored}))


@pytest.mark.parametrize("copy", ["published", "snapshots"])
def test_a_copy_that_is_not_the_folded_ledger(case: Case, copy: str) -> None:
    run, evidence = case
    honest = getattr(evidence, copy)[run.record.id]
    fields = {name: getattr(honest, name) for name in honest.__struct_fields__}
    other = bytearray(honest.state)
    other[-1] ^= 1
    lie = type(honest)(**(fields | {"state": bytes(other)}))
    lies: dict[str, Any] = {copy: {run.record.id: lie}}
    must_find("differs from the fold", run, replace(evidence, **lies))


def test_a_publication_that_stayed_behind(case: Case) -> None:
    run, evidence = case
    must_find("nothing is published", run, replace(evidence, published={run.record.id: None}))


def test_an_arm_that_its_id_and_propensities_do_not_give(case: Case) -> None:
    """Tokens of version 0 that say they are of version 1: EXP3's law is another one there."""
    run, evidence = case
    opener = SECRETS.opener()
    index, one = next(
        (index, one)
        for index, one in enumerate(run.history.attempts)
        if one.kind == "select" and one.said["state_version"] == 1
    )
    token = opener.open(one.request_id, tenant=SECRETS.tenant)
    law_of_another = replace_token(token, version=0)
    said = one.said | {"state_version": 0}
    run.history.attempts[index] = replace(one, request_id=opener.seal(law_of_another), said=said)
    must_find("version 0 gives", run, evidence)
    forged_u = replace_token(token, u=token.low)
    run.history.attempts[index] = replace(one, request_id=opener.seal(forged_u))
    must_find("its id gives", run, evidence)
    from_nowhere = replace_token(token, version=9)
    run.history.attempts[index] = replace(one, request_id=opener.seal(from_nowhere))
    must_find("which the ledger does not have", run, evidence)


def replace_token(token: Any, **changes: Any) -> Any:
    fields = {name: getattr(token, name) for name in token.__struct_fields__}
    return type(token)(**(fields | changes))


def test_a_client_that_was_told_another_arm(case: Case) -> None:
    run, evidence = case
    index, one = next(
        (index, one) for index, one in enumerate(run.history.attempts) if one.kind == "select"
    )
    said = one.said | {"arm": {"index": one.said["arm"]["index"] + 1}}
    run.history.attempts[index] = replace(one, said=said)
    must_find("its token says otherwise", run, evidence)


def test_a_gate_that_gives_another_arm_than_it_forces(case: Case) -> None:
    run, evidence = case
    index, one = next(
        (index, one) for index, one in enumerate(run.history.attempts) if one.kind == "select"
    )
    run.history.attempts[index] = replace(one, forced=1)
    must_find("a gate gave arm", run, evidence)


@pytest.mark.parametrize(
    ("change", "body", "sentence"),
    [
        ("parameters", {"policy_params": {"alpha_prior": 1.5}}, "accepted and never applied"),
        ("reset", {}, "1 changes (reset) were accepted, 0 applied"),
        ("arm", {"arms": [{"name": "d"}]}, "1 changes (arms) were accepted, 0 applied"),
    ],
)
def test_a_change_that_was_accepted_and_not_made(
    case: Case, change: str, body: dict[str, Any], sentence: str
) -> None:
    run, evidence = case
    asked = Change(
        at_s=1.0, experiment=run.record.id, change=change, body=body, status=503, said=""
    )
    run.history.changes = [asked]
    assert judged(run, evidence).breaches == []
    run.history.changes = [replace(asked, status=200)]
    must_find(sentence, run, evidence)


def test_a_bug_is_no_outage(case: Case) -> None:
    run, evidence = case
    run.history.attempts.append(
        replace(run.history.attempts[-1], outcome="unknown", status=500, said={})
    )
    must_find("was answered 500", run, evidence)


def test_a_dead_letter_without_a_fault_of_its_own(case: Case) -> None:
    run, evidence = case
    rows = last_rows(case)
    last = next(
        one
        for one in run.history.of("feedback")
        if SECRETS.opener().open(one.request_id, tenant=SECRETS.tenant).decision_id
        == rows.decision_ids[7]
    )
    token = SECRETS.opener().open(last.request_id, tenant=SECRETS.tenant)
    letter = DeadLetter(
        experiment=run.record.id,
        reason="the reward is not finite",
        payload=codec.pack_feedback([forged_event(token, last.reward)]),
    )
    evidence = replace(forge(case, **only(rows, list(range(7)))), dead=[letter])
    must_find("dead without a fault", run, evidence)
    key = reward_key(last, token)
    verdict = judged(run, evidence, poisoned={key})
    assert verdict.breaches == []
    assert (verdict.counts.dead, verdict.counts.accepted) == (1, 19)
    must_find("both counted and dead", run, replace(case[1], dead=[letter]), poisoned={key})


def forged_event(token: Any, reward: float) -> Any:
    from tests.faults.forged import _event

    return _event(token, reward=reward)


def test_a_decision_log_that_says_something_else_or_says_it_twice(case: Case) -> None:
    run, evidence = case
    first, *others = evidence.decisions
    twice = replace(evidence, decisions=[first, first, *others])
    must_find("is archived 2 times", run, twice)
    must_find("under the number", run, twice)
    other = replace_token(first, arm=first.arm + 1)
    must_find("the log says", run, replace(evidence, decisions=[other, *others]))


def test_servers_that_count_otherwise_than_their_clients(case: Case) -> None:
    run, evidence = case
    assert judged(run, replace(evidence, counters={"accepted": 20, "duplicate": 7})).breaches == []
    must_find("the servers count 21", run, replace(evidence, counters={"accepted": 21}))


def marked(history: History, *marks: tuple[float, Any]) -> None:
    history.marks += [Mark(at_s=at_s, what=what) for at_s, what in marks]


def test_a_recovery_that_takes_too_long(case: Case) -> None:
    run, evidence = case
    marked(run.history, (1.0, "fault"), (2.0, "healed"), (12.5, "recovered"))
    assert judged(run, evidence).recoveries_s == [10.5]
    must_find("took 10.5 s, at most 10 s", run, evidence)
    assert judged(run, evidence, recovery_s=11.0).breaches == []


def test_only_redis_and_its_proxy_together_may_lose_what_was_acknowledged(case: Case) -> None:
    run, _ = case
    evidence = forge(case, **only(last_rows(case), list(range(7))))
    late_s = run.history.attempts[-1].ended_s + 1.0
    for marks in (
        [(late_s, "redis lost its data")],
        [(late_s, "proxy died")],
        [(0.0, "redis lost its data"), (0.0, "proxy died")],  # before it was acknowledged
        [(late_s, "proxy died"), (late_s, "recovered"), (late_s + 1, "redis lost its data")],
    ):
        run.history.marks.clear()
        marked(run.history, *marks)
        must_find("is lost", run, evidence)
    run.history.marks.clear()
    marked(run.history, (late_s, "redis lost its data"), (late_s, "proxy died"))
    verdict = judged(run, evidence)
    assert (verdict.breaches, verdict.lost_with_redis_and_proxy) == ([], 1)


def test_a_history_is_what_was_written(case: Case, tmp_path: Path) -> None:
    run, evidence = case
    marked(run.history, (1.0, "fault"))
    run.history.changes = [
        Change(at_s=1.0, experiment="e", change="reset", body={}, status=200, said="")
    ]
    run.history.write(tmp_path / "history.jsonl")
    read = History.read(tmp_path / "history.jsonl")
    assert (read.attempts, read.marks) == (run.history.attempts, run.history.marks)
    assert read.changes == run.history.changes
    assert check(read, evidence, SECRETS).breaches == []
    assert isinstance(read.attempts[0], Attempt)
    assert np.isfinite(read.attempts[0].ended_s)
