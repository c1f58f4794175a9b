"""A log with late, missing, double, aggregated and retracted rewards: refolded, and what counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qbrix.evaluation import Decisions, LoggedBatch, LoggedData
from qbrix.ledger import Attribution, Disposition
from qbrix.state import to_bytes
from serving.storage.memory import memory_stores
from tests.cortex.scene import Scene, retraction, scene_of
from tests.cortex.world import event

WINDOW_MS = 60_000


async def _log(scene: Scene) -> LoggedData:
    stored = await scene.stores.ledger.batches(scene.record.id, after=-1, limit=999)
    batches = [
        LoggedBatch(
            batch=one.batch,
            ledger_digest=one.ledger_digest,
            state_digest=one.state_digest,
            committed_ms=one.committed_ms,
        )
        for one in stored
    ]
    return LoggedData(
        experiment=scene.record.id, batches=tuple(batches), decisions=Decisions.of([])
    )


async def _history() -> Scene:
    """Decision 0: two rewards. 1: one, taken back in the end. 2: none. 3: late. 4: a gate's."""
    attribution = Attribution(window_s=60.0, default_reward=0.125, aggregation="sum")
    scene = await scene_of(memory_stores(), attribution)
    await scene.log(0, 1, 2, 3)
    record = scene.record
    taken = event(record, 1, reward=0.75, feedback_id="a")
    await scene.send(
        event(record, 0, reward=0.25, feedback_id="a"),
        event(record, 0, reward=0.5, feedback_id="b"),
        event(record, 0, reward=0.5, feedback_id="b"),
        taken,
        event(record, 4, arm=1, gate=True),
    )
    await scene.at(2 * WINDOW_MS)
    await scene.send(event(record, 3, waited_ms=WINDOW_MS + 1), retraction(taken))
    await scene.at(3 * WINDOW_MS)
    return scene


async def test_the_effective_rows_are_what_is_learned_in_the_end() -> None:
    log = await _log(await _history())
    effective = log.effective
    numbers = [int(one, 16) for one in effective.decision_ids]
    assert dict(zip(numbers, effective.rewards.tolist(), strict=True)) == {
        0: 0.75,
        1: 0.125,
        2: 0.125,
        3: 0.125,
    }
    assert len(log) == len(log.rows) == 11
    kinds = {Disposition(int(kind)).name.lower() for kind in log.rows.dispositions}
    assert kinds == {"held", "gate", "closed", "default", "late", "retraction"}
    assert set(log.frame()["disposition"]) == kinds


async def test_the_folded_log_has_servings_digests_and_the_state_of_the_effective_rows() -> None:
    scene = await _history()
    log = await _log(scene)
    assert to_bytes(log.fold().state) == to_bytes((await scene.checked()).state)
    counted = log.fold().state.successes  # type: ignore[attr-defined]
    expected = np.bincount(log.effective.arms, weights=log.effective.rewards, minlength=2)
    assert counted.tolist() == expected.tolist() == [1.125, 0.0]


async def test_versions_before_a_retraction_fold_to_what_decided_then() -> None:
    log = await _log(await _history())
    before = log.fold(2).state.successes  # type: ignore[attr-defined]
    assert before.tolist() == [1.75, 0.0]


def test_a_log_with_batches_of_format_2_is_still_read_and_folded() -> None:
    # Written by the first version that had them: the history above.
    log = LoggedData.load(Path(__file__).parent / "data" / "batches_of_format_2.qlog")
    formats = [item.batch.to_bytes()[4] for item in log.batches]
    assert formats == [1, 2, 2, 1, 2]
    assert log.fold().version == 4
    assert sorted(log.effective.rewards.tolist()) == [0.125, 0.125, 0.125, 0.75]
