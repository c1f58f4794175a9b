"""Experiments: made at once with version 0 of their ledger, changed through cortex."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from qbrix.bundle.making import make_policy
from qbrix.errors import Conflict, InvalidParameter, InvalidRequest, NotFound, Unavailable
from qbrix.ledger import Attribution, Configuration, PolicyRef
from qbrix.support import RewardRange
from serving.proxy.agent.contexts import new_context, parted
from serving.proxy.experiments.attribution import changed_attribution, check_attribution
from serving.proxy.experiments.beginning import beginning
from serving.proxy.experiments.catalogue import names_policy, requested_policy
from serving.proxy.experiments.controls import Controls
from serving.proxy.experiments.hyper_parameters import HyperParameters
from serving.proxy.experiments.pools import Pools
from serving.proxy.experiments.portfolio import from_wire
from serving.proxy.experiments.records import ExperimentView, Records, is_id, view_of
from serving.proxy.gates.bodies import GateRequest
from serving.proxy.gates.reading import gate_of
from serving.storage import keys
from serving.storage.base import Catalog, Channel, ControlRequest, ExperimentRecord, StateRecord
from serving.storage.meeting import EXPERIMENT_CHANGED

__all__ = ["ExperimentChange", "Experiments", "NewExperiment"]

_PAGE = 500
_MEETINGS = 20  # how often a change may meet a faster one

_log = structlog.get_logger("proxy")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewExperiment:
    """What a caller says about an experiment to be made."""

    name: str
    pool_id: str
    policy: str
    policy_params: dict[str, Any]
    enabled: bool = True
    floor: float = 0.0
    reward_range: RewardRange | None = None
    attribution: Attribution = field(default_factory=Attribution)
    gate: GateRequest | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentChange:
    """What is to change; None (of a range: UNSET, of attribution: left out) stays as it is."""

    enabled: bool | None = None
    name: str | None = None
    policy_params: dict[str, Any] | None = None
    floor: float | None = None
    reward_range: RewardRange | msgspec.UnsetType | None = msgspec.UNSET
    attribution: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    """What somebody sent again that never changes: the pool's id, the policy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiments:
    """The tenant's experiments."""

    catalog: Catalog
    channel: Channel
    pools: Pools
    records: Records
    controls: Controls
    hyper_parameters: HyperParameters
    shards: int
    control_wait_s: float
    token_lifetime_s: float
    decision_sampling: float

    async def create(self, tenant: str, new: NewExperiment) -> ExperimentView:
        """Stored and served when this returns; raises NotFound, Conflict, InvalidParameter."""
        given, hyper_parameters = parted(new.policy_params)
        policy = make_policy(requested_policy(new.policy), from_wire(hyper_parameters))
        context, parameters = new_context(policy, given), policy.parameters()
        pool = await self.pools.get(tenant, new.pool_id)
        now_ms = time.time_ns() // 1_000_000
        experiment = uuid4().hex
        record = ExperimentRecord(
            id=experiment,
            tenant=tenant,
            name=new.name,
            pool_id=pool.id,
            shard=keys.shard_of(experiment, shards=self.shards),
            policy=type(policy).__name__,
            parameters=parameters,
            dim=context.dim,
            context_schema=None if context.schema is None else context.schema.to_json(),
            enabled=new.enabled,
            floor=new.floor,
            bundle=None,
            created_ms=now_ms,
            updated_ms=now_ms,
            support=policy.capabilities.reward,
            reward_range=new.reward_range,
            **asdict(new.attribution),
            gate=None if new.gate is None else gate_of(new.gate, pool, version=1),
        )
        configuration = Configuration(
            policy=PolicyRef(name=policy.identifier(), parameters=parameters),
            n_arms=len(pool.arms),
            dim=context.dim,
            floor=new.floor,
            retired=tuple(arm.index for arm in pool.arms if not arm.is_active),
            reward_range=new.reward_range,
            attribution=new.attribution,
        )
        self._check(record)
        creation, state = await asyncio.to_thread(beginning, record, configuration)
        await self.catalog.create_experiment(record, creation=creation, state=state)
        view = view_of(record, pool)
        self.records.put(experiment, view)
        await self._publish(state)
        return view

    async def get(self, tenant: str, experiment: str) -> ExperimentView:
        """As it is stored now; raises NotFound."""
        if not is_id(experiment):
            raise NotFound("experiment", experiment)
        record = await self.catalog.get_experiment(tenant, experiment)
        return await self._view(record)

    async def on_pool(self, tenant: str, pool_id: str) -> Sequence[ExperimentView]:
        """All of a pool's, however many, newest first; raises NotFound."""
        pool = await self.pools.get(tenant, pool_id)
        found: list[ExperimentView] = []
        while True:
            page = await self.catalog.list_experiments(
                tenant, limit=_PAGE, offset=len(found), pool_id=pool_id
            )
            found += [view_of(record, pool) for record in page]
            if len(page) < _PAGE:
                return found

    async def list(
        self,
        tenant: str,
        *,
        limit: int,
        offset: int,
        search: str | None = None,
        enabled: bool | None = None,
    ) -> list[ExperimentView]:
        """Newest first."""
        records = await self.catalog.list_experiments(
            tenant, limit=limit, offset=offset, search=search, enabled=enabled
        )
        pools = {
            pool_id: await self.catalog.get_pool(tenant, pool_id)
            for pool_id in {record.pool_id for record in records}
        }
        return [view_of(record, pools[record.pool_id]) for record in records]

    async def change(
        self, tenant: str, experiment: str, change: ExperimentChange
    ) -> ExperimentView:
        """Store what changes; what decides follows through cortex, usually before this returns."""
        record, control = await self._stored(tenant, experiment, change)
        await self.announce(experiment)
        if control is not None:
            await self.follow(control, record.shard)
        return await self.get(tenant, experiment)

    async def reset(self, tenant: str, experiment: str) -> ExperimentView:
        """Learning starts anew in a new epoch; raises Conflict unless paused."""
        view = await self.get(tenant, experiment)
        if view.record.enabled:
            raise Conflict(
                f"experiment {experiment} is running; pause it first (PATCH enabled=false)",
                code="EXPERIMENT_RUNNING",
            )
        control = await self.catalog.request_control(
            ControlRequest(id=0, experiment=experiment, reason="reset", change={}, start="init")
        )
        await self.follow(control, view.record.shard)
        return view

    async def delete(self, tenant: str, experiment: str) -> None:
        """Raises NotFound."""
        await self.get(tenant, experiment)
        await self.catalog.delete_experiment(tenant, experiment)
        self.records.put(experiment, None)
        await self.announce(experiment)

    async def announce(self, experiment: str) -> None:
        """Tell every proxy, this one too, to read the record again."""
        self.records.forget(experiment)
        try:
            await self.channel.announce(keys.RECORDS, experiment)
        except Unavailable as error:  # other proxies look by themselves after a while
            _log.warning("record_not_announced", experiment=experiment, error=str(error))

    async def follow(self, control: ControlRequest, shard: int) -> None:
        """Wait a moment for cortex to make the change; raises InvalidParameter when it refuses."""
        settled = await self.controls.settled(control, shard=shard, within_s=self.control_wait_s)
        if settled.status == "rejected":
            raise InvalidParameter(f"the change was refused: {settled.outcome.get('message')}")

    async def _stored(
        self, tenant: str, experiment: str, change: ExperimentChange, *, met: int = 0
    ) -> tuple[ExperimentRecord, ControlRequest | None]:
        """A change that meets another one is made anew from what that one left."""
        before = (await self.get(tenant, experiment)).record
        record, deciding = await self._changed(before, change)
        control = ControlRequest(
            id=0, experiment=experiment, reason="configure", change=deciding, start="keep"
        )
        try:
            return record, await self.catalog.change_experiment(
                record, before=before, control=control if deciding else None
            )
        except Conflict as error:
            if error.code != EXPERIMENT_CHANGED or met == _MEETINGS:
                raise
        return await self._stored(tenant, experiment, change, met=met + 1)

    async def _changed(
        self, before: ExperimentRecord, change: ExperimentChange
    ) -> tuple[ExperimentRecord, dict[str, Any]]:
        """The record after the change, and what of it cortex has to bring about."""
        _check_kept(before, change.kept)
        deciding: dict[str, Any] = {}
        parameters = before.parameters
        if change.policy_params is not None:
            ref = await self.hyper_parameters.replaced(before, change.policy_params)
            parameters = dict(ref.parameters)
            deciding["policy"] = asdict(ref)
        floor = before.floor if change.floor is None else change.floor
        if floor != before.floor:
            deciding["floor"] = floor
        span = before.reward_range if change.reward_range is msgspec.UNSET else change.reward_range
        if span != before.reward_range:
            deciding["reward_range"] = span
        attribution = changed_attribution(before.attribution, change.attribution)
        if attribution != before.attribution:
            deciding["attribution"] = asdict(attribution)
        record = msgspec.structs.replace(
            before,
            **asdict(attribution),
            name=before.name if change.name is None else change.name,
            enabled=before.enabled if change.enabled is None else change.enabled,
            floor=floor,
            reward_range=span,
            parameters=parameters,
            updated_ms=time.time_ns() // 1_000_000,
        )
        if deciding.keys() & {"attribution", "reward_range"}:
            self._check(record)
        return record, deciding

    def _check(self, record: ExperimentRecord) -> None:
        check_attribution(
            record,
            token_lifetime_s=self.token_lifetime_s,
            decision_sampling=self.decision_sampling,
        )

    async def _view(self, record: ExperimentRecord) -> ExperimentView:
        view = view_of(record, await self.catalog.get_pool(record.tenant, record.pool_id))
        self.records.put(record.id, view)
        return view

    async def _publish(self, state: StateRecord) -> None:
        try:
            await self.channel.publish(state)
        except Unavailable as error:  # motors find the snapshot in the ledger
            _log.warning("state_not_published", experiment=state.experiment, error=str(error))


def _check_kept(record: ExperimentRecord, kept: Mapping[str, str]) -> None:
    for name, wanted in kept.items():
        own = getattr(record, name)
        if wanted != own and not (name == "policy" and names_policy(wanted, own)):
            raise InvalidRequest(
                f"{name} = {wanted!r}, but an experiment keeps what it was made with, "
                f"{own!r}; make another experiment, or promote a bundle"
            )
