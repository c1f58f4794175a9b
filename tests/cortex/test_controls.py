"""Every change of what decides is a batch of its own, or is refused with a sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from qbrix.bundle import Bundle, BundleResolver, Certificate, SigningKey, TrustedKeys
from qbrix.ledger import Disposition
from qbrix.state import to_bytes
from serving.storage.base import ControlRequest, ExperimentRecord, StateRecord, Stores
from serving.storage.memory import memory_stores
from tests.cortex.world import TENANT, cortex_of, create, event, refolded


async def _ask(
    stores: Stores, record: ExperimentRecord, *, reason: str = "configure", **change: Any
) -> ControlRequest:
    request = ControlRequest(id=0, experiment=record.id, reason=reason, change=change, start="keep")
    return await stores.catalog.request_control(request)


async def _settle(
    stores: Stores, request: ControlRequest, *, trusted: TrustedKeys | None = None
) -> ControlRequest:
    await cortex_of(stores, trusted=trusted).drain()
    return await stores.catalog.get_control(request.id)


async def _published(stores: Stores, record: ExperimentRecord) -> StateRecord:
    published = await stores.channel.fetch(record.id)
    assert published is not None
    return published


def _beta(**parameters: float) -> dict[str, Any]:
    return {"name": "BetaTSPolicy@1", "parameters": parameters, "bundle": None}


async def test_hyper_parameters_change_at_a_version_of_their_own_and_nothing_is_forgotten() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, n) for n in range(4)])
    await cortex_of(stores).drain()
    before = await refolded(stores, record.id)
    settled = await _settle(stores, await _ask(stores, record, policy=_beta(alpha_prior=3.0)))
    after = await refolded(stores, record.id)
    assert (settled.status, settled.outcome) == ("applied", {"epoch": 0, "version": 2})
    assert (after.version, after.epoch) == (2, 0)
    assert after.policy.parameters()["alpha_prior"] == 3.0
    assert to_bytes(after.state) == to_bytes(before.state)
    assert (await _published(stores, record)).configuration == after.configuration.to_json()


async def test_controls_come_before_the_feedback_that_waits_and_in_their_order() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, 1)])
    floors = [await _ask(stores, record, floor=floor) for floor in (0.1, 0.2)]
    await cortex_of(stores).drain()
    batches = await stores.ledger.batches(record.id, after=0, limit=9)
    kinds = [one.batch.control and one.batch.control.configuration.floor for one in batches]
    assert kinds == [0.1, 0.2, None]
    assert [(await stores.catalog.get_control(one.id)).outcome["version"] for one in floors] == [
        1,
        2,
    ]


async def test_the_floor_and_retired_arms_are_in_the_published_law() -> None:
    stores = memory_stores()
    record = await create(stores, n_arms=4)
    await _settle(stores, await _ask(stores, record, floor=0.5))
    await _settle(stores, await _ask(stores, record, reason="arms", retired=[2]))
    published = await _published(stores, record)
    assert published.law is not None
    law = np.frombuffer(published.law, dtype="<f8")
    # Equal posteriors: a third for each arm that is left, with and without exploration.
    assert np.allclose(law, [1 / 3, 1 / 3, 0, 1 / 3], atol=1e-10)
    assert law[2] == 0.0


async def test_a_reset_begins_an_epoch_and_old_decisions_are_only_recorded() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, 1)])
    await cortex_of(stores).drain()
    settled = await _settle(stores, await _ask(stores, record, reason="reset"))
    await stores.intake.append_feedback(0, [event(record, 2), event(record, 1, epoch=1)])
    await cortex_of(stores).drain()
    deployment = await refolded(stores, record.id)
    assert settled.outcome == {"epoch": 1, "version": 2}
    assert (deployment.epoch, deployment.version) == (1, 3)
    assert deployment.state.successes.tolist() == [1.0, 0.0, 0.0]  # type: ignore[attr-defined]
    last = (await stores.ledger.batches(record.id, after=2, limit=9))[0].batch.rows
    assert last is not None
    assert last.dispositions.tolist() == [Disposition.OLD_EPOCH, Disposition.FOLDED]
    assert last.epochs.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"policy": _beta(alpha_prior=-1.0)}, "alpha_prior"),
        ({"policy": _beta(gamma=1.0)}, "gamma"),
        ({"policy": {"name": "EXP3Policy@1"}}, "meant for EXP3Policy@1, but BetaTSPolicy@1"),
        ({"policy": {"name": 3}}, "control change"),
        ({"floor": 1.5}, "floor = 1.5"),
        ({"retired": [3]}, "arms of 0 … 2"),
        ({"retired": [0, 1, 2]}, "at least one arm"),
        ({"n_arms": 2}, "retired, never removed"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_with_a_sentence(
    change: dict[str, Any], sentence: str
) -> None:
    stores = memory_stores()
    record = await create(stores)
    settled = await _settle(stores, await _ask(stores, record, **change))
    assert settled.status == "rejected"
    assert sentence in settled.outcome["message"]
    assert (await refolded(stores, record.id)).version == 0


async def test_a_refused_change_leaves_a_record_that_tells_what_decides() -> None:
    stores = memory_stores()
    record = await create(stores, parameters={"alpha_prior": 2.0})
    hoped = msgspec.structs.replace(record, parameters={"alpha_prior": -9.0}, floor=0.9)
    request = ControlRequest(
        id=0,
        experiment=record.id,
        reason="configure",
        change={"policy": _beta(alpha_prior=-9.0)},
        start="keep",
    )
    assert await stores.catalog.change_experiment(hoped, before=record, control=request) is not None
    await cortex_of(stores).drain()
    told = await stores.catalog.get_experiment(TENANT, record.id)
    assert (told.parameters, told.floor) == ({"alpha_prior": 2.0}, 0.0)


async def test_a_structural_hyper_parameter_needs_a_reset() -> None:
    stores = memory_stores()
    record = await create(stores, policy="DirichletTSPolicy@1", parameters={"k": 3})
    settled = await _settle(
        stores,
        await _ask(stores, record, policy={"name": "DirichletTSPolicy@1", "parameters": {"k": 4}}),
    )
    assert settled.status == "rejected"
    assert "reset the experiment" in settled.outcome["message"]


async def test_a_cancelled_change_is_never_applied() -> None:
    stores = memory_stores()
    record = await create(stores)
    request = await _ask(stores, record, floor=0.5)
    assert await stores.catalog.cancel_control(request.id)
    assert (await _settle(stores, request)).status == "cancelled"
    assert (await refolded(stores, record.id)).version == 0


async def test_changes_of_a_deleted_experiment_are_refused() -> None:
    stores = memory_stores()
    record = await create(stores)
    request = await _ask(stores, record, floor=0.5)
    await stores.catalog.delete_experiment(TENANT, record.id)
    assert (await _settle(stores, request)).status == "rejected"


async def _promote(
    stores: Stores, record: ExperimentRecord, bundle: Bundle, trusted: TrustedKeys
) -> ControlRequest:
    await stores.catalog.put_bundle(TENANT, bundle.sha256, bundle.data)
    request = await _ask(stores, record, reason="promote", bundle=bundle.sha256)
    return await _settle(stores, request, trusted=trusted)


async def test_a_promotion_brings_the_bundles_code_and_its_certificate(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, 1)])
    settled = await _promote(stores, record, own_bundle, trusted)
    await stores.intake.append_feedback(0, [event(record, 2, arm=2, epoch=1)])
    await cortex_of(stores, trusted=trusted).drain()
    assert settled.status == "applied"
    assert settled.outcome["epoch"] == 1
    assert settled.outcome["certificate"]["bundle"] == own_bundle.sha256
    assert settled.outcome["certificate"]["steps"] >= 200
    deployment = await refolded(stores, record.id, BundleResolver({own_bundle.sha256: own_bundle}))
    assert deployment.configuration.policy.bundle == own_bundle.sha256
    published = await _published(stores, record)
    assert published.state == to_bytes(deployment.state)
    assert published.law is not None
    # bonus + what each arm has paid in the new epoch, of their sum: 2, 2 and 3 of 7.
    assert np.allclose(np.frombuffer(published.law, dtype="<f8"), [2 / 7, 2 / 7, 3 / 7])
    (promotion,) = await stores.ledger.promotions(record.id)
    assert promotion.version == settled.outcome["version"]
    assert promotion.bundle == own_bundle.sha256
    assert Certificate.from_json(promotion.certificate).bundle == own_bundle.sha256


async def test_the_record_tells_the_promoted_policy_and_keeps_what_is_the_experiments(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    stores = memory_stores()
    record = await create(stores)
    await _promote(stores, record, own_bundle, trusted)
    told = await stores.catalog.get_experiment(TENANT, record.id)
    assert (told.policy, told.parameters, told.bundle) == (
        "Shares",
        {"bonus": 2.0},
        own_bundle.sha256,
    )
    assert told.support == "bounded"


async def test_a_promoted_state_is_where_learning_goes_on(
    taught_bundle: Bundle, trusted: TrustedKeys
) -> None:
    stores = memory_stores()
    record = await create(stores)
    settled = await _promote(stores, record, taught_bundle, trusted)
    assert settled.outcome["version"] == 1
    published = await _published(stores, record)
    state = taught_bundle.state()
    assert state is not None
    assert published.state == to_bytes(state)
    assert published.law is not None
    # Arm 1 has the best mean: 0.3 / 3 for everybody, 0.7 more for it.
    assert np.allclose(np.frombuffer(published.law, dtype="<f8"), [0.1, 0.8, 0.1])


async def test_hyper_parameters_of_a_promoted_policy_change_like_any_others(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    stores = memory_stores()
    record = await create(stores)
    await _promote(stores, record, own_bundle, trusted)
    ref = {"name": "Shares@1", "parameters": {"bonus": 5.0}, "bundle": own_bundle.sha256}
    settled = await _settle(stores, await _ask(stores, record, policy=ref), trusted=trusted)
    assert settled.outcome == {"epoch": 1, "version": 2}


async def test_a_bundle_that_nobody_here_trusts_never_runs(own_bundle: Bundle) -> None:
    stores = memory_stores()
    record = await create(stores)
    stranger = TrustedKeys([SigningKey(bytes(32)).public])
    settled = await _promote(stores, record, own_bundle, stranger)
    assert (settled.status, settled.outcome["reason"]) == ("rejected", "untrusted")


async def test_a_bundle_for_other_sizes_is_refused_with_both_numbers(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    stores = memory_stores()
    record = await create(stores, n_arms=4)
    settled = await _promote(stores, record, own_bundle, trusted)
    assert settled.status == "rejected"
    assert "3 arms" in settled.outcome["message"]
    assert "has 4" in settled.outcome["message"]


async def test_a_bundle_that_is_not_there_is_refused(trusted: TrustedKeys) -> None:
    stores = memory_stores()
    record = await create(stores)
    request = await _ask(stores, record, reason="promote", bundle="0" * 64)
    assert (await _settle(stores, request, trusted=trusted)).status == "rejected"


async def test_rewards_of_a_declared_range_are_rescaled_in_the_fold_and_kept_in_the_ledger() -> (
    None
):
    """-1 … 3 to 0 … 1: rewards 3, 1 and -1 are 1, ½ and 0 successes; what lies outside is dead."""
    stores = memory_stores()
    record = await create(stores)
    await _settle(stores, await _ask(stores, record, reward_range=(-1.0, 3.0)))
    rewards = [3.0, 1.0, -1.0, 3.5]
    events = [event(record, n, reward=reward) for n, reward in enumerate(rewards)]
    await stores.intake.append_feedback(0, events)
    await cortex_of(stores).drain()
    state = (await refolded(stores, record.id)).state
    assert (state.successes[0], state.failures[0]) == (1.5, 1.5)  # type: ignore[attr-defined]
    (_, _, learned) = await stores.ledger.batches(record.id, after=-1, limit=9)
    assert learned.batch.rows is not None
    assert learned.batch.rows.rewards.tolist() == rewards[:3]
    (letter,) = await stores.archive.dead_letters(record.id, limit=9)
    assert "outside the declared reward_range [-1.0, 3.0]" in letter.reason


async def test_a_range_can_be_taken_back() -> None:
    stores = memory_stores()
    record = await create(stores)
    await _settle(stores, await _ask(stores, record, reward_range=(-1.0, 3.0)))
    settled = await _settle(stores, await _ask(stores, record, reward_range=None))
    assert settled.status == "applied"
    assert (await refolded(stores, record.id)).configuration.reward_range is None
    stored = await stores.ledger.experiment(record.id)
    assert stored is not None
    assert stored.reward_range is None


async def test_arms_can_come_and_what_was_learned_of_the_others_stays() -> None:
    stores = memory_stores()
    record = await create(stores, n_arms=2)
    await stores.intake.append_feedback(0, [event(record, n, arm=n % 2) for n in range(6)])
    await cortex_of(stores).drain()
    settled = await _settle(
        stores, await _ask(stores, record, reason="arms", n_arms=4, retired=[0])
    )
    assert settled.status == "applied"
    await stores.intake.append_feedback(0, [event(record, 9, arm=3)])
    await cortex_of(stores).drain()
    after = await refolded(stores, record.id)
    assert after.configuration.n_arms == 4
    assert after.state.successes.tolist() == [3, 3, 0, 1]  # type: ignore[attr-defined]
    law = np.frombuffer((await _published(stores, record)).law or b"", dtype="<f8")
    assert law.shape == (4,)
    assert law[0] == 0.0
