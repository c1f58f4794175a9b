"""What proxy and motor would send, made by hand, and the ledger folded again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

import numpy as np

from qbrix.bundle import BundleResolver, TrustedKeys
from qbrix.ledger import (
    Attribution,
    Batch,
    Configuration,
    Control,
    Deployment,
    PolicyRef,
    Replay,
    Resolver,
    genesis,
)
from serving.cortex.service import Cortex
from serving.cortex.times import Timing, now_ms
from serving.loading import PolicyLoader
from serving.publishing import state_record
from serving.storage.base import (
    ArmRecord,
    CommittedBatch,
    DecisionEvent,
    ExperimentRecord,
    FeedbackEvent,
    PoolRecord,
    Stores,
)

TENANT = "acme"


def decision(number: int) -> str:
    """A decision id."""
    return f"{number:032x}"


def cortex_of(
    stores: Stores,
    *,
    shards: Iterable[int] = (0,),
    trusted: TrustedKeys | None = None,
    lease_ttl_s: float = 0.6,
    clock: Callable[[], int] = now_ms,
) -> Cortex:
    """A cortex over ``stores``, with a lease that ends soon after its holder."""
    loader = PolicyLoader(stores.ledger.bundle, trusted or TrustedKeys())
    return Cortex(
        stores,
        loader,
        shards=list(shards),
        holder=uuid4().hex,
        lease_ttl_s=lease_ttl_s,
        lease_renew_s=0.1,
        timing=Timing(clock=clock, window_grace_s=1.0),
    )


async def create(
    stores: Stores,
    *,
    policy: str = "BetaTSPolicy@1",
    parameters: Mapping[str, Any] | None = None,
    n_arms: int = 3,
    dim: int = 0,
    shard: int = 0,
    name: str | None = None,
    attribution: Attribution | None = None,
) -> ExperimentRecord:
    """An experiment with its pool and version 0, as the proxy creates it."""
    pool = await _pool(stores, n_arms=n_arms)
    ref = PolicyRef(name=policy, parameters=dict(parameters or {}))
    attribution = attribution or Attribution()
    configuration = Configuration(policy=ref, n_arms=n_arms, dim=dim, attribution=attribution)
    experiment = uuid4().hex
    batch = Batch(
        epoch=0,
        version=0,
        control=Control(reason="create", configuration=configuration, start="init"),
    )
    deployment = genesis(experiment, batch, BundleResolver())
    record = ExperimentRecord(
        id=experiment,
        tenant=TENANT,
        name=name or experiment,
        pool_id=pool,
        shard=shard,
        policy=policy.partition("@")[0],
        parameters=dict(parameters or {}),
        dim=dim,
        enabled=True,
        floor=0.0,
        bundle=None,
        created_ms=now_ms(),
        updated_ms=now_ms(),
        support=deployment.policy.capabilities.reward,
        window_s=attribution.window_s,
        default_reward=attribution.default_reward,
        aggregation=attribution.aggregation,
    )
    creation = CommittedBatch(
        batch=batch,
        ledger_digest=deployment.ledger_digest,
        state_digest=deployment.state_digest,
        committed_ms=now_ms(),
    )
    state = state_record(deployment, tenant=TENANT, term=0, published_ms=now_ms())
    await stores.catalog.create_experiment(record, creation=creation, state=state)
    return record


async def _pool(stores: Stores, *, n_arms: int) -> str:
    """The id of a pool of its own."""
    pool = PoolRecord(
        id=uuid4().hex,
        tenant=TENANT,
        name=uuid4().hex,
        arms=tuple(ArmRecord(id=uuid4().hex, name=f"arm {k}", index=k) for k in range(n_arms)),
        created_ms=now_ms(),
        updated_ms=now_ms(),
    )
    await stores.catalog.create_pool(pool)
    return pool.id


def event(
    record: ExperimentRecord,
    number: int,
    *,
    arm: int = 0,
    reward: float = 1.0,
    epoch: int = 0,
    gate: bool = False,
    feedback_id: str = "",
    context: Iterable[float] = (),
    recorded: tuple[float, ...] = (),
    version: int = 0,
    waited_ms: int = 500,
) -> FeedbackEvent:
    """A reward for the decision ``number``, drawn with probability a half."""
    return FeedbackEvent(
        experiment=record.id,
        epoch=epoch,
        decision_id=decision(number),
        feedback_id=feedback_id,
        arm=arm,
        reward=reward,
        u=0.25,
        low=0.0,
        propensity=0.5,
        version=version,
        gate=gate,
        recorded=recorded,
        context=np.array(list(context), dtype="<f8").tobytes(),
        decided_ms=1_790_000_000_000 + number,
        received_ms=1_790_000_000_000 + number + waited_ms,
    )


async def refolded(stores: Stores, experiment: str, resolver: Resolver | None = None) -> Deployment:
    """The ledger folded from version 0, every digest and number on the way compared."""
    resolver = resolver or BundleResolver()
    replay = Replay(experiment, resolver)
    deployment: Deployment | None = None
    for version, stored in enumerate(await stores.ledger.batches(experiment, after=-1, limit=9999)):
        deployment = replay.take(stored.batch)
        assert stored.batch.version == version
        assert stored.ledger_digest == deployment.ledger_digest
        assert stored.state_digest == deployment.state_digest
    assert deployment is not None
    return deployment


def decided(record: ExperimentRecord, number: int) -> DecisionEvent:
    """The decision ``number`` for the log."""
    return DecisionEvent(
        proxy=record.id,
        number=number,
        experiment=record.id,
        context_id="somebody",
        epoch=0,
        decision_id=decision(number),
        arm=0,
        u=0.25,
        low=0.0,
        propensity=0.5,
        version=0,
        source="policy",
        context=b"",
        decided_ms=1_790_000_000_000 + number,
    )
