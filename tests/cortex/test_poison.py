"""What cannot be learned is set aside with a reason, and never takes its neighbours with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest

from qbrix.ledger import Batch, Configuration, Control, Deployment, PolicyRef, fold, genesis
from qbrix.policies import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, Interactions
from serving.cortex.columns import columns_of
from serving.cortex.kinds import kinds_of
from serving.cortex.learn import learn
from serving.storage import codec, keys
from serving.storage.base import ExperimentRecord, FeedbackEvent
from serving.storage.memory import memory_stores
from serving.storage.records_windows import BEFORE_ALL
from tests.cortex.world import cortex_of, create, decided, event, refolded

RAISES, OVERFLOWS, LEAVES = 0.5, 0.25, 0.125


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Totals(State):
    """Sum of the rewards of each arm."""

    total: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class Touchy(Policy[Totals, Totals]):
    """Learns sums, and breaks on some rewards in the way that user code breaks."""

    state_type = Totals
    capabilities = Capabilities()

    def propensities(
        self, prepared: Totals, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return np.full(prepared.total.shape, 1.0 / prepared.total.shape[-1])

    def update_in_place(self, state: Totals, batch: Interactions) -> None:
        if (batch.rewards == RAISES).any():
            raise KeyError("an author's mistake")
        if (batch.rewards == LEAVES).any():
            raise SystemExit(3)
        np.add.at(state.total, batch.arms, batch.rewards)
        if (batch.rewards == OVERFLOWS).any():
            state.total[0] = np.nan


class OnlyTouchy:
    """A resolver that knows one policy."""

    def policy(self, ref: PolicyRef) -> Policy[Any, Any]:
        return Touchy()

    def bundle_state(self, ref: PolicyRef) -> State:
        raise NotImplementedError


RECORD = ExperimentRecord(
    id="a" * 32,
    tenant="t",
    name="n",
    pool_id="p",
    shard=0,
    policy="Touchy",
    parameters={},
    dim=0,
    enabled=True,
    floor=0.0,
    bundle=None,
    created_ms=0,
    updated_ms=0,
)


def _start(*, dim: int = 0) -> Deployment:
    configuration = Configuration(policy=PolicyRef(name="Touchy@1"), n_arms=2, dim=dim)
    control = Control(reason="create", configuration=configuration, start="init")
    return genesis("a" * 32, Batch(epoch=0, version=0, control=control), OnlyTouchy())


def _total(deployment: Deployment) -> Array:
    state = deployment.state
    assert isinstance(state, Totals)
    return state.total


def _events(rewards: Sequence[float]) -> list[FeedbackEvent]:
    return [event(RECORD, n, reward=reward) for n, reward in enumerate(rewards)]


@pytest.mark.parametrize("poison", [RAISES, OVERFLOWS, LEAVES])
@pytest.mark.parametrize("place", [0, 3, 7])
def test_the_neighbours_of_a_poisonous_event_are_learned(poison: float, place: int) -> None:
    rewards = [1.0] * 8
    rewards[place] = poison
    learned = learn(_start(), _events(rewards), known=(), resolver=OnlyTouchy())
    assert [int(letter.event.decision_id, 16) for letter in learned.dead] == [place]
    assert _total(learned.deployment)[0] == 7.0
    folded = sum(len(batch.rows or ()) for batch, _ in learned.batches)
    assert folded == 7


def test_each_batch_folds_from_the_one_before_to_the_bit() -> None:
    rewards = [1.0, RAISES, 0.3, 0.7, OVERFLOWS, RAISES, 0.1]
    learned = learn(_start(), _events(rewards), known=(), resolver=OnlyTouchy())
    deployment = _start()
    for version, (batch, after) in enumerate(learned.batches, start=1):
        assert batch.version == version
        deployment = fold(deployment, batch, OnlyTouchy())
        assert deployment.state_digest == after.state_digest
    assert deployment.ledger_digest == learned.deployment.ledger_digest
    assert len(learned.dead) == 3


def test_a_step_of_poison_alone_changes_nothing() -> None:
    learned = learn(_start(), _events([RAISES] * 5), known=(), resolver=OnlyTouchy())
    assert learned.batches == []
    assert len(learned.dead) == 5
    assert "an author's mistake" in learned.dead[0].reason


def test_a_reason_says_what_the_policy_did() -> None:
    learned = learn(_start(), _events([OVERFLOWS]), known=(), resolver=OnlyTouchy())
    assert learned.dead[0].reason == "the update makes state.total infinite or not a number"


def _faulty(**wrong: Any) -> FeedbackEvent:
    return msgspec.structs.replace(event(RECORD, 1), **wrong)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"decision_id": "17"}, "32 lowercase hex"),
        ({"decision_id": "A" * 32}, "32 lowercase hex"),
        ({"feedback_id": "a\x00"}, "NUL"),
        ({"epoch": 1}, "epoch after 0"),
        ({"arm": 2}, "arm is not one of 0 … 1"),
        ({"arm": -1}, "arm is not one of 0 … 1"),
        ({"u": 0.5}, "low <= u < low"),
        ({"low": 0.3}, "low <= u < low"),
        ({"u": float("nan")}, "low <= u < low"),
        ({"propensity": 0.0}, "low <= u < low"),
        ({"propensity": 1.5}, "greater than 1"),
        ({"reward": float("nan")}, "not finite"),
        ({"reward": float("inf")}, "not finite"),
        ({"reward": 1.5}, "not a number in [0, 1]"),
        ({"recorded": (1.0,)}, "did not record 0 numbers"),
    ],
)
def test_a_fault_is_told_by_its_name(wrong: dict[str, Any], reason: str) -> None:
    good = event(RECORD, 2)
    faults = _faults([good, _faulty(**wrong), good], _start())
    assert list(faults) == [1]
    assert reason in faults[1]


def _faults(events: list[FeedbackEvent], deployment: Deployment) -> dict[int, str]:
    kinds = kinds_of(events, deployment, known=(), retractions=(), closed=BEFORE_ALL)
    return columns_of(events, kinds).faults(deployment)


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ((), "not 2 features"),
        ((1.0,), "not 2 features"),
        ((1.0, 2.0, 3.0), "not 2 features"),
        ((1.0, float("nan")), "not finite"),
    ],
)
def test_a_context_has_the_width_of_the_experiment(context: tuple[float, ...], reason: str) -> None:
    events = [event(RECORD, 1, context=(0.0, 1.0)), event(RECORD, 2, context=context)]
    faults = _faults(events, _start(dim=2))
    assert list(faults) == [1]
    assert reason in faults[1]


@pytest.mark.parametrize("only_recorded", [{"gate": True}, {"epoch": -1}])
def test_what_is_only_recorded_need_not_fit_the_policy_of_today(
    only_recorded: dict[str, Any],
) -> None:
    old = _faulty(arm=7, reward=12.0, recorded=(0.5, 0.5), **only_recorded)
    assert _faults([old], _start(dim=2)) == {}
    learned = learn(_start(), [event(RECORD, 5), old], known=(), resolver=OnlyTouchy())
    # Two widths of recorded numbers do not fit into one matrix: two batches.
    assert [len(batch.rows or ()) for batch, _ in learned.batches] == [1, 1]
    assert _total(learned.deployment).tolist() == [1.0, 0.0]


async def test_a_good_copy_counts_after_a_bad_one() -> None:
    bad, good = event(RECORD, 1, reward=float("inf")), event(RECORD, 1)
    learned = learn(_start(), [bad, good], known=(), resolver=OnlyTouchy())
    assert len(learned.dead) == 1
    assert _total(learned.deployment)[0] == 1.0


async def test_poison_of_every_kind_in_the_streams_stops_nobody() -> None:
    stores = memory_stores()
    record = await create(stores)
    events = [
        msgspec.structs.replace(event(record, 1), decision_id="\x00"),
        msgspec.structs.replace(event(record, 2), experiment="\x00"),
        msgspec.structs.replace(event(record, 3), experiment="b" * 32),
        event(record, 4, reward=2.0),
        event(record, 5),
    ]
    await stores.intake.append_feedback(0, events)
    await stores.intake._append(keys.feedback_stream(0), b"\x01broken", 1)  # type: ignore[attr-defined]
    nul_decision = msgspec.structs.replace(decided(record, 2), context_id="\x00")
    await stores.intake.append_decisions(0, [decided(record, 1), nul_decision])
    await cortex_of(stores).drain()
    deployment = await refolded(stores, record.id)
    assert deployment.version == 1
    assert deployment.state.successes.tolist() == [1.0, 0.0, 0.0]  # type: ignore[attr-defined]
    archived, _ = await stores.ledger.decisions(record.id, after=0, limit=9)
    assert archived == [decided(record, 1)]
    letters = {
        experiment: await stores.archive.dead_letters(experiment, limit=9)
        for experiment in (record.id, "b" * 32, "")
    }
    buried = {
        experiment: [codec.unpack_feedback(letter.payload)[0] for letter in letters[experiment]]
        for experiment in (record.id, "b" * 32)
    }
    assert buried == {record.id: [events[3], events[0]], "b" * 32: [events[2]]}
    assert {letter.payload for letter in letters[""]} == {
        codec.pack_decisions([nul_decision]),
        b"\x01broken",
        codec.pack_feedback([events[1]]),
    }
