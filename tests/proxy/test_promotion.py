"""A signed bundle becomes what decides; everything else is refused with its reason."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

from qbrix.bundle import Bundle, SigningKey, TrustedKeys, export
from qbrix.ledger import Batch
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.state import to_bytes
from qbrix.types import Interactions
from serving.storage import keys
from tests.proxy.world import World, learning, open_world
from tests.waiting import PATIENCE_S

KEY = SigningKey(bytes(range(32)))
TRUSTED = TrustedKeys([KEY.public])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A signed bundle of a library policy for three arms."""
    path = tmp_path_factory.mktemp("bundle") / "epsilon.qbrix"
    policy = EpsilonPolicy(eps=0.25, gamma=1.0)
    return export(policy, path=path, arms=["a", "b", "c"], key=KEY)


async def promote(world: World, experiment: str, data: bytes) -> tuple[int, dict[str, object]]:
    answer = await world.http.post(
        f"/api/v1/experiments/{experiment}/promote",
        content=data,
        headers={"Content-Type": "application/zip"},
    )
    return answer.status_code, answer.json()


async def test_a_promoted_bundle_decides_and_the_record_says_so(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED) as cortex:
        made = await world.experiment()
        status, answer = await promote(world, made["id"], bundle.data)
        assert status == 200, answer
        assert answer["experiment_id"] == made["id"]
        assert answer["bundle"] == bundle.sha256
        assert (answer["epoch"], answer["version"]) == (1, 1)
        assert isinstance(answer["certificate"], dict)
        url = f"/api/v1/experiments/{made['id']}"
        shown = (await world.http.get(url)).json()
        assert shown["policy"] == "EpsilonPolicy"
        assert shown["policy_params"] == {"eps": 0.25, "gamma": 1.0}
        assert shown["bundle"] == bundle.sha256
        await cortex.drain()
        await world.motor.refresh(made["id"])
        assert (await world.select(made["id"])).json()["state_version"] == 1
        data = (await world.http.get(f"/api/v1/bundles/{bundle.sha256}")).content
        assert hashlib.sha256(data).hexdigest() == bundle.sha256


async def test_the_support_of_rewards_follows_the_promoted_policy(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED):
        made = await world.experiment()
        before = (await world.select(made["id"])).json()["request_id"]
        assert (await world.feedback(before, 7.0)).status_code == 422
        await promote(world, made["id"], bundle.data)
        assert (await world.feedback(before, 7.0)).status_code == 201


async def test_hyper_parameters_of_a_promoted_policy_are_checked_and_changed(
    bundle: Bundle,
) -> None:
    async with (
        open_world(trusted=TRUSTED, control_wait_s=PATIENCE_S) as world,
        learning(world, trusted=TRUSTED),
    ):
        made = await world.experiment()
        await promote(world, made["id"], bundle.data)
        url = f"/api/v1/experiments/{made['id']}"
        for params, status in (({"eps": 2, "gamma": 1}, 400), ({"eps": 0.5, "gamma": 1}, 200)):
            answer = await world.http.patch(url, json={"policy_params": params})
            assert answer.status_code == status, answer.text
        state = (await world.http.get(f"{url}/state")).json()
        assert '"eps":0.5' in state["configuration"]
        assert bundle.sha256 in state["configuration"]


async def test_what_is_not_signed_by_a_trusted_key_is_refused(bundle: Bundle) -> None:
    stranger = bundle.sign(SigningKey.generate())
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED):
        made = await world.experiment()
        for data, reason in (
            (stranger.data, "untrusted"),
            (b"no zip at all", "format"),
            (b"", "format"),
            (bundle.data[:-100], "format"),
        ):
            status, answer = await promote(world, made["id"], data)
            assert (status, answer["code"]) == (400, "BUNDLE_REJECTED")
            assert answer["context"] == {"reason": reason}
        assert (await world.http.get(f"/api/v1/bundles/{stranger.sha256}")).status_code == 404


async def test_a_bundle_for_another_number_of_arms_is_refused(tmp_path: Path) -> None:
    two = export(BetaTSPolicy(), path=tmp_path / "two.qbrix", arms=2, key=KEY)
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED):
        made = await world.experiment()
        status, answer = await promote(world, made["id"], two.data)
        assert (status, answer["code"]) == (400, "BUNDLE_REJECTED")
        assert "2 arms" in str(answer["detail"])
        assert (await world.http.get(f"/api/v1/experiments/{made['id']}")).json() == made


async def test_without_a_cortex_the_promotion_is_taken_back(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED, promotion_deadline_s=0.05) as world:
        made = await world.experiment()
        status, answer = await promote(world, made["id"], bundle.data)
        assert (status, answer["code"]) == (503, "SERVICE_UNAVAILABLE")
        async with learning(world, trusted=TRUSTED) as cortex:
            await cortex.drain()
        state = (await world.http.get(f"/api/v1/experiments/{made['id']}/state")).json()
        assert state["version"] == 0


async def test_an_experiment_that_is_deleted_during_its_promotion_is_not_found(
    bundle: Bundle,
) -> None:
    async with open_world(trusted=TRUSTED) as world:
        made = await world.experiment()
        heard = aiter(world.stores.channel.listen(keys.CONTROLS))
        await anext(heard)
        promotion = asyncio.create_task(promote(world, made["id"], bundle.data))
        await anext(heard)  # cortex is called: the change waits for it
        deleted = await world.http.delete(f"/api/v1/experiments/{made['id']}")
        assert deleted.is_success
        async with learning(world, trusted=TRUSTED):
            status, answer = await promotion
        assert (status, answer["code"]) == (404, "EXPERIMENT_NOT_FOUND")


async def test_a_bundle_beyond_the_limit_is_413(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED, bundle_limit_bytes=2000) as world:
        made = await world.experiment()
        status, answer = await promote(world, made["id"], bundle.data)
        assert (status, answer["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_promoting_needs_the_scope_and_an_experiment_of_ones_own(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world:
        made = await world.experiment()
        viewer = {"X-API-Key": await world.key(role="viewer")}
        stranger = await world.stranger()
        for headers, status in ((viewer, 403), (stranger, 404)):
            answer = await world.http.post(
                f"/api/v1/experiments/{made['id']}/promote", content=bundle.data, headers=headers
            )
            assert answer.status_code == status


async def test_selects_go_on_during_a_promotion(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED):
        made = await world.experiment()
        promotion = asyncio.create_task(promote(world, made["id"], bundle.data))
        answers = [await world.select(made["id"]) for _ in range(50)]
        assert {answer.status_code for answer in answers} == {200}
        assert (await promotion)[0] == 200


async def test_a_policy_without_context_may_take_over_where_contexts_come(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED) as cortex:
        made = await world.experiment("LinUCBPolicy", dim=2)
        assert (await promote(world, made["id"], bundle.data))[0] == 200
        await cortex.drain()
        await world.motor.refresh(made["id"])
        answer = await world.select(made["id"], vector=[1.0, 2.0])
        assert answer.json()["state_version"] == 1
        await world.feedback(answer.json()["request_id"])
        await cortex.drain()
        state = (await world.http.get(f"/api/v1/experiments/{made['id']}/state")).json()
        assert state["version"] == 2


async def roll_back(world: World, experiment: str, version: int) -> tuple[int, dict[str, object]]:
    url = f"/api/v1/experiments/{experiment}/rollback"
    answer = await world.http.post(url, json={"version": version})
    return answer.status_code, answer.json()


async def test_what_decided_before_decides_again_in_an_epoch_of_its_own(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED):
        made = await world.experiment(alpha_prior=2.0)
        await promote(world, made["id"], bundle.data)
        assert await roll_back(world, made["id"], 0) == (
            200,
            {
                "experiment_id": made["id"],
                "policy": "BetaTSPolicy@1",
                "bundle": None,
                "epoch": 2,
                "version": 2,
            },
        )
        url = f"/api/v1/experiments/{made['id']}"
        shown = (await world.http.get(url)).json()
        assert (shown["policy"], shown["bundle"]) == ("BetaTSPolicy", None)
        assert shown["policy_params"]["alpha_prior"] == 2.0
        status, again = await roll_back(world, made["id"], 1)
        assert (status, again["bundle"], again["version"]) == (200, bundle.sha256, 3)
        assert (await world.http.get(url)).json()["bundle"] == bundle.sha256
        page = (await world.http.get(f"{url}/ledger", params={"changes_only": True})).json()
        controls = [Batch.from_bytes(b64decode(one["data"])).control for one in page["batches"]]
        assert [one and (one.reason, one.start) for one in controls] == [
            ("create", "init"),
            ("promote", "init"),
            ("rollback", "init"),
            ("rollback", "init"),
        ]


async def test_a_rollback_starts_from_the_state_in_its_bundle_with_the_parameters_of_then(
    bundle: Bundle, tmp_path: Path
) -> None:
    policy = BetaTSPolicy()
    rows = Interactions(
        arms=np.array([0, 1, 1]),
        rewards=np.array([1.0, 0.0, 1.0]),
        propensities=np.full(3, 1 / 3),
        state_versions=np.zeros(3, np.int64),
    )
    learned = policy.update(policy.init(n_arms=3), rows)
    whole = export(policy, path=tmp_path / "b.qbrix", arms=3, state=learned, key=KEY)
    async with (
        open_world(trusted=TRUSTED, control_wait_s=PATIENCE_S) as world,
        learning(world, trusted=TRUSTED),
    ):
        made = await world.experiment("EpsilonPolicy", eps=0.1, gamma=1.0)
        await promote(world, made["id"], whole.data)
        url = f"/api/v1/experiments/{made['id']}"
        changed = {"policy_params": {"alpha_prior": 3.0, "beta_prior": 1.0}}
        assert (await world.http.patch(url, json=changed)).status_code == 200
        assert (await promote(world, made["id"], bundle.data))[0] == 200
        status, answer = await roll_back(world, made["id"], 2)
        assert (status, answer["bundle"]) == (200, whole.sha256)
        state = (await world.http.get(f"{url}/state")).json()
        assert '"alpha_prior":3.0' in state["configuration"]
        assert b64decode(state["state"]) == to_bytes(learned)


async def test_only_a_change_of_what_decides_can_be_gone_back_to(bundle: Bundle) -> None:
    async with open_world(trusted=TRUSTED) as world, learning(world, trusted=TRUSTED) as cortex:
        made = await world.experiment()
        chosen = (await world.select(made["id"])).json()["request_id"]
        assert (await world.feedback(chosen)).status_code == 201
        await cortex.drain()
        for version in (1, 9):
            status, answer = await roll_back(world, made["id"], version)
            assert (status, answer["code"]) == (422, "VALIDATION_ERROR"), answer
            assert f"version = {version}" in str(answer["detail"])
        assert (await roll_back(world, "0" * 32, 0))[0] == 404
