"""The loop through the door: make, select, reward."""

from __future__ import annotations

from tests.proxy.world import open_world


async def test_an_experiment_answers_selects_and_takes_feedback_at_once() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        selected = await world.select(experiment["id"])
        assert selected.status_code == 200, selected.text
        answer = selected.json()
        assert answer["arm"]["name"] in {"a", "b", "c"}
        assert answer["is_default"] is False
        assert answer["state_version"] == 0
        rewarded = await world.feedback(answer["request_id"])
        assert rewarded.status_code == 201, rewarded.text
        assert rewarded.json() == {"accepted": True, "duplicate": False}
        shard = (await world.stores.ledger.experiment(experiment["id"])).shard
        stored = await world.stores.intake.read_feedback(shard, after="0", limit=10, block_ms=0)
        (event,) = stored.events
        assert event.reward == 1.0
        assert event.arm == answer["arm"]["index"]
        assert event.low <= event.u < event.low + event.propensity
