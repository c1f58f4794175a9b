"""`Catalog`, over every backend."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qbrix.errors import Conflict, NotFound
from serving.storage.audit import Actor, acting
from serving.storage.base import ControlRequest, Stores
from serving.storage.meeting import EXPERIMENT_CHANGED
from serving.storage.records_gates import GateRecord
from tests.storage.records import (
    TENANT,
    committed,
    control_batch,
    make_experiment,
    make_key,
    make_pool,
    make_state,
    stored_experiment,
)

replace = msgspec.structs.replace


def _control(experiment: str, **change: object) -> ControlRequest:
    return ControlRequest(
        id=0, experiment=experiment, reason="configure", change=change, start="keep"
    )


async def test_a_tenant_has_one_id_and_a_name_of_its_own(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("acme")
    assert await stores.catalog.find_tenant("acme") == tenant
    assert await stores.catalog.find_tenant("nobody") is None
    with pytest.raises(Conflict, match="acme"):
        await stores.catalog.create_tenant("acme")


async def test_a_credential_is_found_by_its_digest_while_it_is_active(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("acme")
    key = make_key(tenant=tenant)
    await stores.catalog.put_api_key(key)
    assert await stores.catalog.find_api_key(key.key_sha256) == key
    await stores.catalog.change_api_key(replace(key, is_active=False, name="old"))
    assert await stores.catalog.find_api_key(key.key_sha256) is None
    assert (await stores.catalog.get_api_key(tenant, key.id)).name == "old"


async def test_a_credential_of_the_same_digest_is_left_as_it_is(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("acme")
    first = make_key(tenant=tenant)
    await stores.catalog.put_api_key(first)
    await stores.catalog.put_api_key(make_key(tenant=tenant, digest=first.key_sha256))
    assert await stores.catalog.list_api_keys(tenant) == [first]


async def test_credentials_are_listed_newest_first_and_forgotten(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("acme")
    keys = [make_key(tenant=tenant) for _ in range(3)]
    for key in keys:
        await stores.catalog.put_api_key(key)
    assert await stores.catalog.list_api_keys(tenant) == keys[::-1]
    await stores.catalog.delete_api_key(tenant, keys[1].id)
    assert await stores.catalog.list_api_keys(tenant) == [keys[2], keys[0]]
    with pytest.raises(NotFound):
        await stores.catalog.delete_api_key(tenant, keys[1].id)
    with pytest.raises(NotFound):
        await stores.catalog.get_api_key("another tenant", keys[0].id)


async def test_the_latest_use_of_a_credential_wins(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("acme")
    key = make_key(tenant=tenant)
    await stores.catalog.put_api_key(key)
    for at_ms in (5, 9, 7):
        await stores.catalog.touch_api_keys({key.id: at_ms, "unknown": 1})
    assert (await stores.catalog.get_api_key(tenant, key.id)).last_used_ms == 9


async def test_a_pool_comes_back_as_it_was_stored(stores: Stores) -> None:
    pool = make_pool()
    await stores.catalog.create_pool(pool)
    assert await stores.catalog.get_pool(TENANT, pool.id) == pool


async def test_a_pool_belongs_to_its_tenant(stores: Stores) -> None:
    pool = make_pool()
    await stores.catalog.create_pool(pool)
    await stores.catalog.create_pool(make_pool(tenant="rival"))
    with pytest.raises(NotFound):
        await stores.catalog.get_pool("rival", pool.id)
    stolen = replace(pool, tenant="rival", name="mine")
    with pytest.raises(NotFound):
        await stores.catalog.change_pool(stolen, before=stolen, change=None)
    with pytest.raises(NotFound):
        await stores.catalog.delete_pool("rival", pool.id)


async def test_two_pools_of_one_tenant_have_two_names(stores: Stores) -> None:
    first, second = make_pool(), make_pool(name="shapes")
    await stores.catalog.create_pool(first)
    await stores.catalog.create_pool(second)
    with pytest.raises(Conflict, match="colours"):
        await stores.catalog.create_pool(make_pool())
    with pytest.raises(Conflict, match="colours"):
        await stores.catalog.change_pool(
            replace(second, name="colours"), before=second, change=None
        )
    renamed = replace(second, name="forms")
    assert await stores.catalog.change_pool(renamed, before=second, change=None) == []
    assert await stores.catalog.get_pool(TENANT, second.id) == renamed


async def test_pools_are_listed_newest_first_a_page_at_a_time(stores: Stores) -> None:
    pools = [make_pool(name=str(number)) for number in range(4)]
    for pool in pools:
        await stores.catalog.create_pool(pool)
    assert await stores.catalog.list_pools(TENANT, limit=2, offset=1) == [pools[2], pools[1]]


async def test_a_pool_changes_together_with_its_control_changes(stores: Stores) -> None:
    record = await stored_experiment(stores)
    pool = await stores.catalog.get_pool(TENANT, record.pool_id)
    arms = (replace(pool.arms[0], is_active=False), replace(pool.arms[1], is_active=True))
    changed = replace(pool, arms=arms, updated_ms=pool.updated_ms + 1)
    change = {"n_arms": 2, "retired": [0]}
    (control,) = await stores.catalog.change_pool(changed, before=pool, change=change)
    assert (control.experiment, control.reason, control.change) == (record.id, "arms", change)
    assert await stores.catalog.get_pool(TENANT, pool.id) == changed
    assert await stores.ledger.pending_controls(0) == [control]


async def test_of_two_who_change_a_pool_at_once_one_is_told(stores: Stores) -> None:
    pool = make_pool()
    await stores.catalog.create_pool(pool)
    await stores.catalog.change_pool(replace(pool, name="first"), before=pool, change=None)
    with pytest.raises(Conflict, match="changed meanwhile"):
        await stores.catalog.change_pool(replace(pool, name="second"), before=pool, change=None)
    assert (await stores.catalog.get_pool(TENANT, pool.id)).name == "first"


async def test_an_experiment_for_arms_that_changed_meanwhile_is_not_made(stores: Stores) -> None:
    pool = make_pool()
    await stores.catalog.create_pool(pool)
    more = replace(pool, arms=(*pool.arms, replace(pool.arms[0], id="new", index=2)))
    await stores.catalog.change_pool(more, before=pool, change=None)
    record = make_experiment(pool)
    with pytest.raises(Conflict, match="changed meanwhile"):
        await stores.catalog.create_experiment(
            record, creation=committed(control_batch(0)), state=make_state(record.id)
        )


async def test_a_pool_with_experiments_stays(stores: Stores) -> None:
    record = await stored_experiment(stores)
    with pytest.raises(Conflict) as caught:
        await stores.catalog.delete_pool(TENANT, record.pool_id)
    assert caught.value.code == "POOL_HAS_EXPERIMENTS"
    await stores.catalog.delete_experiment(TENANT, record.id)
    await stores.catalog.delete_pool(TENANT, record.pool_id)
    with pytest.raises(NotFound):
        await stores.catalog.get_pool(TENANT, record.pool_id)


async def test_an_experiment_begins_with_version_0_and_a_snapshot(stores: Stores) -> None:
    pool = make_pool()
    await stores.catalog.create_pool(pool)
    record = make_experiment(pool)
    creation, state = committed(control_batch(0, alpha_prior=1 / 3)), make_state(record.id)
    await stores.catalog.create_experiment(record, creation=creation, state=state)
    assert await stores.catalog.get_experiment(TENANT, record.id) == record
    assert await stores.ledger.experiment(record.id) == record
    (stamp,) = await stores.catalog.stamps([record.id])
    assert await stores.catalog.find_experiment(record.id) == (record, pool, stamp)
    assert await stores.ledger.snapshot(record.id) == state
    (stored,) = await stores.ledger.batches(record.id, after=-1, limit=9)
    assert stored.batch.to_bytes() == creation.batch.to_bytes()
    assert (stored.ledger_digest, stored.committed_ms) == (
        creation.ledger_digest,
        creation.committed_ms,
    )


async def test_every_change_of_an_experiment_or_its_pool_changes_its_stamp(stores: Stores) -> None:
    catalog = stores.catalog
    record = await stored_experiment(stores)
    pool = await catalog.get_pool(TENANT, record.pool_id)
    renamed = replace(record, name="renamed")
    seen = [await catalog.stamps(["0" * 32, record.id])]
    await catalog.change_experiment(renamed, before=record)
    seen.append(await catalog.stamps(["0" * 32, record.id]))
    gate = GateRecord(version=1, updated_ms=5)
    await catalog.put_gate(TENANT, record.id, gate, expected=None)
    seen.append(await catalog.stamps(["0" * 32, record.id]))
    await catalog.change_pool(replace(pool, name="new"), before=pool, change=None)
    seen.append(await catalog.stamps(["0" * 32, record.id]))
    assert await catalog.stamps(["0" * 32, record.id]) == seen[-1]
    assert [unknown for unknown, _ in seen] == [None] * 4
    assert len({stamp for _, stamp in seen} - {None}) == 4
    await catalog.delete_experiment(TENANT, record.id)
    assert await catalog.stamps([record.id]) == [None]


async def test_an_experiment_needs_a_pool_of_its_tenant_and_a_free_name(stores: Stores) -> None:
    record = await stored_experiment(stores)
    pool = await stores.catalog.get_pool(TENANT, record.pool_id)
    creation = committed(control_batch(0))
    twin = make_experiment(pool)
    with pytest.raises(Conflict, match="button"):
        await stores.catalog.create_experiment(twin, creation=creation, state=make_state(twin.id))
    stray = make_experiment(make_pool(), name="stray")
    with pytest.raises(NotFound):
        await stores.catalog.create_experiment(stray, creation=creation, state=make_state(stray.id))
    assert await stores.ledger.batches(twin.id, after=-1, limit=9) == []
    assert await stores.ledger.snapshot(stray.id) is None


async def test_a_deleted_experiment_frees_its_name_and_keeps_its_ledger(stores: Stores) -> None:
    record = await stored_experiment(stores)
    await stores.catalog.delete_experiment(TENANT, record.id)
    with pytest.raises(NotFound):
        await stores.catalog.get_experiment(TENANT, record.id)
    with pytest.raises(NotFound):
        await stores.catalog.delete_experiment(TENANT, record.id)
    assert await stores.ledger.experiment(record.id) is None
    assert await stores.catalog.find_experiment(record.id) is None
    assert await stores.ledger.experiments(0) == []
    assert len(await stores.ledger.batches(record.id, after=-1, limit=9)) == 1
    pool = await stores.catalog.get_pool(TENANT, record.pool_id)
    heir = make_experiment(pool)
    await stores.catalog.create_experiment(
        heir, creation=committed(control_batch(0)), state=make_state(heir.id)
    )


async def test_experiments_are_searched_without_regard_to_case_or_wildcards(
    stores: Stores,
) -> None:
    records = [await stored_experiment(stores, name=name) for name in ("Big_Red", "big", "small")]
    await stores.catalog.change_experiment(replace(records[1], enabled=False), before=records[1])

    async def found(**how: object) -> list[str]:
        answer = await stores.catalog.list_experiments(TENANT, limit=9, offset=0, **how)  # type: ignore[arg-type]
        return [record.name for record in answer]

    assert await found() == ["small", "big", "Big_Red"]
    assert await found(search="BIG") == ["big", "Big_Red"]
    assert await found(search="g_r") == ["Big_Red"]
    assert await found(search="%") == []
    assert await found(enabled=False) == ["big"]
    assert await found(pool_id=records[2].pool_id) == ["small"]
    assert await found(search="big", enabled=True) == ["Big_Red"]


async def test_a_change_and_its_control_are_stored_together(stores: Stores) -> None:
    record = await stored_experiment(stores)
    changed = replace(record, name="switch", floor=0.5, parameters={"alpha_prior": 2.0})
    control = await stores.catalog.change_experiment(
        changed, before=record, control=_control(record.id, floor=0.5)
    )
    assert control is not None
    assert await stores.catalog.get_experiment(TENANT, record.id) == changed
    assert await stores.catalog.get_control(control.id) == control
    assert (control.status, control.change) == ("pending", {"floor": 0.5})


async def test_a_change_that_is_refused_enqueues_nothing(stores: Stores) -> None:
    record = await stored_experiment(stores)
    await stored_experiment(stores, name="taken")
    with pytest.raises(Conflict, match="taken"):
        await stores.catalog.change_experiment(
            replace(record, name="taken"), before=record, control=_control(record.id)
        )
    with pytest.raises(NotFound):
        await stores.catalog.change_experiment(replace(record, tenant="rival"), before=record)
    assert await stores.ledger.pending_controls(0) == []
    assert await stores.catalog.get_experiment(TENANT, record.id) == record


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"enabled": False},
        {"parameters": {"alpha_prior": 9.0}},
        {"floor": 0.5},
        {"bundle": "f" * 64},
    ],
    ids=str,
)
async def test_a_change_never_undoes_one_that_it_has_not_seen(
    stores: Stores, meanwhile: dict[str, Any]
) -> None:
    record = await stored_experiment(stores)
    seen = replace(record, **meanwhile)
    with pytest.raises(Conflict) as refused:
        await stores.catalog.change_experiment(
            replace(seen, name="mine"), before=seen, control=_control(record.id)
        )
    assert refused.value.code == EXPERIMENT_CHANGED
    assert await stores.ledger.pending_controls(0) == []
    assert await stores.catalog.get_experiment(TENANT, record.id) == record


async def test_a_bundle_is_its_bytes(stores: Stores) -> None:
    await stores.catalog.put_bundle(TENANT, "5" * 64, b"PK\x00first")
    await stores.catalog.put_bundle(TENANT, "5" * 64, b"PK\x00second")
    assert await stores.catalog.get_bundle(TENANT, "5" * 64) == b"PK\x00first"
    assert await stores.ledger.bundle("5" * 64) == b"PK\x00first"
    with pytest.raises(NotFound):
        await stores.catalog.get_bundle("rival", "5" * 64)
    with pytest.raises(NotFound):
        await stores.ledger.bundle("6" * 64)


async def test_a_control_change_keeps_the_name_of_its_request(stores: Stores) -> None:
    record = await stored_experiment(stores)
    with acting(Actor(tenant=TENANT, request_id="r-1")):
        control = await stores.catalog.request_control(_control(record.id, floor=0.1))
    unnamed = await stores.catalog.request_control(_control(record.id, floor=0.2))
    assert (control.request_id, unnamed.request_id) == ("r-1", None)
    assert await stores.ledger.pending_controls(0) == [control, unnamed]
    assert await stores.catalog.get_control(control.id) == control


async def test_a_control_change_is_cancelled_while_it_is_pending(stores: Stores) -> None:
    record = await stored_experiment(stores)
    first = await stores.catalog.request_control(_control(record.id, floor=0.1))
    second = await stores.catalog.request_control(_control(record.id, floor=0.2))
    assert await stores.ledger.pending_controls(0) == [first, second]
    assert await stores.ledger.pending_controls(1) == []
    assert await stores.catalog.cancel_control(first.id)
    assert not await stores.catalog.cancel_control(first.id)
    assert (await stores.catalog.get_control(first.id)).status == "cancelled"
    assert await stores.ledger.pending_controls(0) == [second]
    with pytest.raises(NotFound):
        await stores.catalog.get_control(second.id + 1)


async def test_the_catalog_answers_a_ping(stores: Stores) -> None:
    await stores.catalog.ping()
