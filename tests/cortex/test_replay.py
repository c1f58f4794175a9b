"""The ledger folded again gives what serves, and where it does not, that is told."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from qbrix.bundle import TrustedKeys
from qbrix.ledger import Batch
from serving.loading import PolicyLoader
from serving.replaying import Replayed, replay
from serving.storage.base import ControlRequest, ExperimentRecord, Stores
from serving.storage.memory import memory_stores
from serving.storage.memory.ledger import MemoryLedger
from tests.cortex.world import cortex_of, create, decided, event

replace = msgspec.structs.replace


async def _lived(policy: str = "BetaTSPolicy@1", **how: Any) -> tuple[Stores, ExperimentRecord]:
    """An experiment that learned in three epochs, the last one of ε-greedy's."""
    stores = memory_stores()
    record = await create(stores, policy=policy, **how)
    cortex = cortex_of(stores)
    rng = np.random.default_rng(2)
    dim = record.dim
    for epoch in range(2):
        for start in range(0, 30, 10):
            events = [
                event(
                    record,
                    100 * epoch + start + number,
                    arm=number % 3,
                    reward=float(number % 2),
                    epoch=epoch,
                    context=rng.standard_normal(dim) if dim else (),
                )
                for number in range(10)
            ]
            await stores.intake.append_feedback(0, events)
            await cortex.drain()
        await stores.catalog.request_control(
            ControlRequest(
                id=0, experiment=record.id, reason="reset", change={"floor": 0.1}, start="init"
            )
        )
        await cortex.drain()
    return stores, record


async def _replayed(stores: Stores, experiment: str, **how: Any) -> Replayed:
    return await replay(
        stores, PolicyLoader(stores.ledger.bundle, TrustedKeys()), experiment, **how
    )


def _tamper(stores: Stores, experiment: str, version: int, **changed: Any) -> None:
    ledger = stores.ledger
    assert isinstance(ledger, MemoryLedger)
    stored = ledger._world.batches[experiment]
    stored[version] = replace(stored[version], **changed)


async def test_what_was_learned_comes_out_to_the_last_bit() -> None:
    stores, record = await _lived()
    told = await _replayed(stores, record.id)
    assert told.problems == []
    assert told.versions == told.states == 1 + 3 + 1 + 3 + 1
    assert told.kept >= 1
    head = await stores.ledger.snapshot(record.id)
    assert head is not None
    assert (told.ledger_digest, told.state_digest) == (head.ledger_digest, head.state_digest)


async def test_a_part_of_it_ends_where_it_is_asked_to() -> None:
    stores, record = await _lived()
    told = await _replayed(stores, record.id, to=4)
    batches = await stores.ledger.batches(record.id, after=3, limit=1)
    assert (told.versions, told.state_digest) == (5, batches[0].state_digest)
    assert told.holds
    beyond = await _replayed(stores, record.id, to=99)
    assert beyond.problems == ["the ledger ends at version 8, before 99"]
    assert (await _replayed(stores, "0" * 32)).problems == [
        f"the ledger has no experiment {'0' * 32}"
    ]


async def test_a_reward_that_was_changed_breaks_the_chain_where_it_was() -> None:
    stores, record = await _lived()
    (stored,) = await stores.ledger.batches(record.id, after=1, limit=1)
    changed = bytearray(stored.batch.to_bytes())
    rows = stored.batch.rows
    assert rows is not None
    place = bytes(changed).index(rows.rewards.astype("<f8").tobytes())
    changed[place : place + 8] = np.float64(0.5).tobytes()
    _tamper(stores, record.id, 2, batch=Batch.from_bytes(bytes(changed)))
    told = await _replayed(stores, record.id)
    assert told.versions == 2
    (problem,) = told.problems
    assert problem.startswith("version 2 of ")
    assert "ledger digest" in problem


async def test_a_state_that_was_changed_is_not_that_of_its_version() -> None:
    stores, record = await _lived()
    head = await stores.ledger.snapshot(record.id)
    assert head is not None
    world = stores.ledger._world  # type: ignore[attr-defined]
    bits = bytearray(head.state)
    bits[-1] ^= 1
    world.snapshots[record.id] = replace(head, state=bytes(bits))
    (problem,) = (await _replayed(stores, record.id)).problems
    assert "the state that serving keeps is off" in problem
    world.snapshots[record.id] = replace(head, state_digest="0" * 64)
    (problem,) = (await _replayed(stores, record.id)).problems
    assert "other digests" in problem


async def test_a_ledger_without_its_beginning_is_folded_from_the_oldest_state_kept() -> None:
    stores, record = await _lived()
    whole = await _replayed(stores, record.id)
    world = stores.ledger._world  # type: ignore[attr-defined]
    (oldest,) = world.checkpoints[record.id]
    assert whole.since is None
    assert oldest == 1
    del world.batches[record.id][: oldest + 1]
    told = await _replayed(stores, record.id)
    assert (told.problems, told.since, told.last) == ([], 1, 8)
    assert told.versions == told.states == whole.versions - 2
    assert told.state_digest == whole.state_digest
    assert (await _replayed(stores, record.id, to=5)).versions == 4

    del world.batches[record.id][:-1]  # the last one is never dropped, and its state is kept
    alone = await _replayed(stores, record.id)
    assert (alone.problems, alone.since, alone.versions) == ([], 8, 0)

    world.checkpoints.clear()
    world.snapshots[record.id] = replace(world.snapshots[record.id], version=9)
    (problem,) = (await _replayed(stores, record.id)).problems
    assert "CORTEX_LEDGER_RETENTION_S" in problem


async def test_a_change_behind_the_oldest_state_breaks_the_chain_all_the_same() -> None:
    stores, record = await _lived()
    world = stores.ledger._world  # type: ignore[attr-defined]
    del world.batches[record.id][:2]
    ledger_digest = "0" * 64
    world.batches[record.id][3] = replace(world.batches[record.id][3], ledger_digest=ledger_digest)
    told = await _replayed(stores, record.id)
    assert (told.since, told.versions) == (1, 3)
    (problem,) = told.problems
    assert problem.startswith("version 5 of ")


async def test_a_state_that_is_only_close_is_compared_where_one_was_kept() -> None:
    stores, record = await _lived("LogisticTSPolicy@1", dim=2, n_arms=3)
    told = await _replayed(stores, record.id)
    assert told.problems == []
    assert told.versions == 9
    assert told.kept >= 1
    assert told.max_state_error <= 1e-9


@pytest.mark.parametrize("wrong", [False, True])
async def test_every_decision_is_computed_anew_when_it_is_asked_for(wrong: bool) -> None:
    stores, record = await _lived()
    # Version 0 of Beta-TS on three arms draws each with a third: u = 0.25 is in [0, 1/3).
    law = {"propensity": 1 / 3, "u": 0.25, "low": 0.0}
    made = replace(decided(record, 777), **(law | ({"propensity": 0.4} if wrong else {})))
    world = stores.ledger._world  # type: ignore[attr-defined]
    world.decisions[made.proxy, made.number] = made
    told = await _replayed(stores, record.id, verify=True)
    assert told.log is not None
    assert any(made.decision_id in problem for problem in told.problems) == wrong
