"""Records with everything in them, one unlike the other."""

from __future__ import annotations

from itertools import count
from uuid import uuid4

import numpy as np

from qbrix.ledger import Batch, Configuration, Control, Disposition, PolicyRef, Rows
from serving.storage.base import (
    ApiKeyRecord,
    ArmRecord,
    CommittedBatch,
    ControlRequest,
    DecisionEvent,
    ExperimentRecord,
    FeedbackEvent,
    PoolRecord,
    StateRecord,
    Stores,
)

TENANT = "acme"
_times = count(1_790_000_000_000)


def make_pool(*, name: str = "colours", tenant: str = TENANT) -> PoolRecord:
    """Two arms, one of them retired."""
    now_ms = next(_times)
    return PoolRecord(
        id=uuid4().hex,
        tenant=tenant,
        name=name,
        arms=(
            ArmRecord(id=uuid4().hex, name="blue", index=0, metadata={"hex": "#00f", "n": 1.0}),
            ArmRecord(id=uuid4().hex, name="grün ☂", index=1, is_active=False),
        ),
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def make_key(*, tenant: str, digest: str | None = None, active: bool = True) -> ApiKeyRecord:
    """A credential."""
    return ApiKeyRecord(
        id=uuid4().hex,
        tenant=tenant,
        name="key",
        key_sha256=digest or uuid4().hex * 2,
        scopes=("agent:read", "agent:write"),
        is_active=active,
        created_ms=next(_times),
    )


def make_experiment(
    pool: PoolRecord, *, name: str = "button", tenant: str = TENANT, shard: int = 0
) -> ExperimentRecord:
    """A record with parameters of every JSON type."""
    now_ms = next(_times)
    return ExperimentRecord(
        id=uuid4().hex,
        tenant=tenant,
        name=name,
        pool_id=pool.id,
        shard=shard,
        policy="BetaTSPolicy",
        parameters={"alpha_prior": 1.0, "tiny": 5e-324, "n": 3, "names": ["a", None, True]},
        dim=2,
        enabled=True,
        floor=0.1,
        bundle=None,
        created_ms=now_ms,
        updated_ms=now_ms,
        support="bounded",
        reward_range=(-1.0, 0.5),
        context_schema=[{"type": "boolean", "name": "returning"}],
    )


def configuration(**parameters: float) -> Configuration:
    """Two arms, two features."""
    ref = PolicyRef(name="BetaTSPolicy@1", parameters=parameters)
    return Configuration(policy=ref, n_arms=2, dim=2)


def control_batch(version: int, *, epoch: int = 0, **parameters: float) -> Batch:
    """A control change."""
    control = Control(reason="configure", configuration=configuration(**parameters), start="keep")
    return Batch(epoch=epoch, version=version, control=control)


def row_batch(version: int, *, first: int, n: int = 3, contexts: bool = True) -> Batch:
    """Rows of decisions ``first`` … ``first + n - 1``, with numbers that no decimal text holds."""
    numbers = np.arange(first, first + n)
    rows = Rows(
        decision_ids=tuple(decision_id(number) for number in numbers.tolist()),
        feedback_ids=tuple("" if number % 2 else f"größe {number}" for number in numbers.tolist()),
        arms=numbers % 2,
        rewards=np.sqrt(numbers + 2.0),
        u=numbers / 7.0,
        low=numbers / 7.0 - 5e-324,
        propensities=np.nextafter(np.full(n, 0.1), 1.0),
        state_versions=numbers * 0 + version - 1,
        epochs=numbers * 0,
        dispositions=np.where(numbers % 3 == 0, int(Disposition.GATE), int(Disposition.FOLDED)),
        decided_ms=numbers + 1_790_000_000_000,
        received_ms=numbers + 1_790_000_000_007,
        contexts=np.column_stack([np.cbrt(numbers + 2.0), -0.0 * numbers]) if contexts else None,
        recorded=None if contexts else np.log(numbers + 2.0)[:, None],
    )
    return Batch(epoch=0, version=version, rows=rows)


def committed(batch: Batch) -> CommittedBatch:
    """A batch with digests that tell its version."""
    return CommittedBatch(
        batch=batch,
        ledger_digest=f"{batch.version:064x}",
        state_digest=f"{batch.version + 1000:064x}",
        committed_ms=next(_times),
    )


def make_state(experiment: str, *, version: int = 0, term: int = 0) -> StateRecord:
    """A snapshot with bytes of every value."""
    return StateRecord(
        experiment=experiment,
        tenant=TENANT,
        epoch=0,
        version=version,
        term=term,
        configuration=configuration().to_json(),
        state=bytes(range(256)),
        law=np.array([1 / 3, 2 / 3]).tobytes(),
        ledger_digest="a" * 64,
        state_digest="b" * 64,
        published_ms=next(_times),
    )


async def stored_experiment(
    stores: Stores, *, name: str = "button", tenant: str = TENANT, shard: int = 0
) -> ExperimentRecord:
    """An experiment with its pool and version 0."""
    pool = make_pool(name=f"pool of {name}", tenant=tenant)
    await stores.catalog.create_pool(pool)
    record = make_experiment(pool, name=name, tenant=tenant, shard=shard)
    await stores.catalog.create_experiment(
        record, creation=committed(control_batch(0)), state=make_state(record.id)
    )
    return record


def floor_change(experiment: str, floor: float = 0.5) -> ControlRequest:
    """A control change that is asked for."""
    return ControlRequest(
        id=0, experiment=experiment, reason="configure", change={"floor": floor}, start="keep"
    )


def decision_id(number: int) -> str:
    """32 lowercase hex characters."""
    return f"{number:032x}"


def feedback(experiment: str, number: int) -> FeedbackEvent:
    """A reward for decision ``number``."""
    return FeedbackEvent(
        experiment=experiment,
        epoch=0,
        decision_id=decision_id(number),
        feedback_id="",
        arm=number % 2,
        reward=(number + 1) / 3,
        u=0.1,
        low=0.0,
        propensity=1 / 3,
        version=number,
        gate=False,
        recorded=(1 / 7,),
        context=np.array([number / 3]).tobytes(),
        decided_ms=1,
        received_ms=2,
    )


def decision(experiment: str, number: int, *, proxy: str = "p") -> DecisionEvent:
    """Decision ``number`` of a proxy."""
    return DecisionEvent(
        proxy=proxy,
        number=number,
        experiment=experiment,
        context_id=f"Ünit {number}",
        epoch=0,
        decision_id=decision_id(number),
        arm=number % 2,
        u=0.1,
        low=0.0,
        propensity=1 / 3,
        version=number,
        source="policy",
        context=np.array([number / 3]).tobytes(),
        decided_ms=3,
    )
