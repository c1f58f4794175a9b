"""The loop through the door: make, select, reward, learn."""

from __future__ import annotations

import asyncio

from tests.proxy.world import learning, open_world


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
        (event,) = await world.events(experiment["id"])
        assert event.reward == 1.0
        assert event.arm == answer["arm"]["index"]


async def test_what_is_rewarded_is_learned_and_decides() -> None:
    async with open_world() as world, learning(world) as cortex:
        experiment = await world.experiment("KLUCBPolicy")
        for _ in range(3):  # every arm once, since the unobserved come first
            answer = (await world.select(experiment["id"])).json()
            reward = 1.0 if answer["arm"]["name"] == "b" else 0.0
            await world.feedback(answer["request_id"], reward)
            await cortex.drain()
            followed = await world.motor.refresh(experiment["id"])
            assert followed == answer["state_version"] + 1
        answer = (await world.select(experiment["id"])).json()
        assert answer["state_version"] == 3
        assert answer["arm"]["name"] == "b"
        assert answer["propensity"] == 1.0


async def test_a_hundred_at_once_are_all_decided_and_all_counted() -> None:
    async with open_world() as world:
        experiment = await world.experiment("RandomPolicy")

        async def play(number: int) -> tuple[int, int]:
            selected = await world.select(experiment["id"], metadata={"number": number})
            rewarded = await world.feedback(selected.json()["request_id"], number % 2)
            return selected.status_code, rewarded.status_code

        assert set(await asyncio.gather(*map(play, range(100)))) == {(200, 201)}
        events = await world.events(experiment["id"])
        assert len({event.decision_id for event in events}) == 100
        assert sum(event.reward for event in events) == 50.0
