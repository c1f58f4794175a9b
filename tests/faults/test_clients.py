"""What clients can do: repeat themselves at once, come in any order, flood, and send poison."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import Any

import pytest
import redis

from serving.storage import keys
from serving.storage.base import DeadLetter, ExperimentRecord, FeedbackEvent
from tests.cortex.world import event
from tests.faults.evidence import gather
from tests.faults.kinds import Experiment
from tests.faults.stack import FaultStack
from tests.faults.trial import Trial, trial

pytestmark = pytest.mark.faults


async def test_a_thousand_concurrent_copies_of_one_reward_count_once(stack: FaultStack) -> None:
    async with trial(stack, name="duplicates", workers=1) as run:
        experiment = run.kinds["gated"]  # one whose state any repetition would change
        token = await run.load.select(experiment)
        await run.load.repeat_at_once(experiment, token, reward=1.0, times=1000)
    assert run.verdict is not None
    assert run.verdict.counts.duplicate >= 999


async def test_batches_arrive_out_of_order_cut_anew_and_more_than_once(stack: FaultStack) -> None:
    async with trial(stack, name="out of order", workers=1) as run:
        rewards = [
            (experiment, token, float(number % 5) / 4)
            for experiment in run.experiments
            for _ in range(3)  # some of them decided by a later version than others
            for number, token in enumerate(await decide(run, experiment, n=60))
        ]
        for _ in range(2):
            run.load.rng.shuffle(rewards)
            parts = [rewards[start : start + 75] for start in range(0, len(rewards), 75)]
            await asyncio.gather(*(run.load.reward_together(part) for part in parts))
    assert run.verdict is not None
    assert run.verdict.counts.duplicate >= 600


async def decide(run: Trial, experiment: Experiment, *, n: int) -> list[str]:
    """Decisions, once something has been learned since the last ones."""
    await run.attempts(10)
    return await run.load.select_together(experiment, n=n)


async def test_a_stream_that_grows_a_hundredfold_is_learned_and_selection_goes_on(
    stack: FaultStack,
) -> None:
    """From some ten rewards a second to as many thousands as there is speed for."""
    async with trial(stack, name="flood", workers=1) as run:
        await run.attempts(30)
        for _ in range(10):
            await flood(run, run.experiments, n=60)
        await run.attempts(20)
        last = [one for one in run.history.attempts[-20:] if one.kind == "select"]
        assert all(one.outcome == "ok" for one in last)
    assert run.verdict is not None
    assert run.verdict.counts.accepted >= 2000


async def flood(run: Trial, experiments: Sequence[Experiment], *, n: int) -> None:
    for experiment in experiments:
        tokens = await run.load.select_together(experiment, n=n)
        await run.load.reward_together([(experiment, token, 1.0) for token in tokens])


async def test_too_much_that_nobody_learns_is_refused_until_it_is_learned(
    stack: FaultStack,
) -> None:
    async with trial(stack, name="high water", workers=1) as run:
        await run.attempts(20)
        await run.does(stack.send, "cortex", signal.SIGSTOP)
        before = len(run.history.attempts)
        while not any(one.status == 503 for one in run.history.attempts[before:]):
            await flood(run, [run.kinds["tuned"]], n=200)
            assert len(run.history.attempts) - before < 20_000, "there is no high-water mark"
        selected = [one for one in run.history.attempts[before:] if one.kind == "select"]
        assert all(one.outcome == "ok" for one in selected)
        await run.does(stack.send, "cortex", signal.SIGCONT)
        await run.recovers()


async def test_poison_of_every_kind_is_set_aside_with_a_reason(stack: FaultStack) -> None:
    async with trial(stack, name="poison") as run:
        await run.attempts(40)
        # Not where an event is late, or of an old epoch: it is recorded there, whatever it says.
        kinds = [run.kinds[name] for name in ("tuned", "gated", "growing")]
        records = [await run.stores.ledger.experiment(one.id) for one in kinds]
        sent: list[FeedbackEvent] = []
        for record in records:
            assert record is not None
            sent += poison(record)
            for one in poison(record):
                await run.stores.intake.append_feedback(record.shard, [one])
            mixed = poison(record)  # and all of it in one entry
            await run.stores.intake.append_feedback(record.shard, mixed)
            damage(stack, record.shard)
        run.poisoned |= {
            (one.experiment, one.epoch, one.decision_id, one.feedback_id) for one in sent
        }
        await run.attempts(60)
        await run.recovers()
    found = await evidence_of(stack, run.names)
    reasons = {letter.reason for letter in found}
    assert len(found) == 2 * len(sent)
    assert len(reasons) >= 9, reasons


async def evidence_of(stack: FaultStack, names: Sequence[str]) -> Sequence[DeadLetter]:
    async with stack.stores() as stores:
        return (await gather(stores, names)).dead


def poison(record: ExperimentRecord) -> list[FeedbackEvent]:
    """One event for each law that a row must keep, breaking that law."""
    width = (0.5,) * record.dim
    good = event(record, 10**9, context=width)
    changes: list[dict[str, Any]] = [
        {"reward": float("nan")},
        {"reward": float("inf")},
        {"arm": 99},
        {"arm": -1},
        {"u": 0.75},
        {"propensity": 1.5},
        {"epoch": 7},
        {"decision_id": "not a name of ours"},
        {"feedback_id": "\x00"},
    ]
    if record.support == "bounded":
        changes.append({"reward": 1.5})
    if record.dim:
        changes += [
            {"context": b""},
            {"context": good.context[:-3]},
            {"context": event(record, 1, context=[float("nan")] * record.dim).context},
        ]
    fields = {name: getattr(good, name) for name in good.__struct_fields__}
    return [
        FeedbackEvent(**(fields | {"decision_id": f"{10**9 + number:032x}"} | change))
        for number, change in enumerate(changes)
    ]


def damage(stack: FaultStack, shard: int) -> None:
    """Entries that no version of ours can have written."""
    with redis.Redis.from_url(stack.valkey.url) as connection:
        for fields in ({"e": b"\xff\xff"}, {"e": b"\x01\xc1"}, {"x": b"1"}):
            connection.xadd(keys.feedback_stream(shard), fields)
            connection.xadd(keys.decision_stream(shard), fields)
