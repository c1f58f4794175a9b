"""Motor decides from memory, follows the ledger, and outlives the stores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from qbrix.draw import uniform
from qbrix.errors import NotFound, ShapeError, Unavailable
from qbrix.ledger import Deployment
from serving.motor.service import Motor
from serving.storage import keys
from serving.storage.base import StateRecord, Stores
from serving.storage.memory import memory_stores
from serving.storage.memory.channel import MemoryChannel
from serving.wire.selection import Outcome, Query
from tests.motor.world import DRAW_KEY, TENANT, deployed, motor_over, record, rewarded, stores_with
from tests.waiting import PATIENCE_S, eventually

ID = "d" * 32


def query(deployment: Deployment, number: int = 0, *, context: bytes = b"") -> Query:
    return Query(TENANT, deployment.experiment, f"{number:032x}", context)


async def one(motor: Motor, asked: Query) -> Outcome:
    (answer,) = await motor.decide([asked])
    assert isinstance(answer, Outcome), answer
    return answer


async def settle() -> None:
    """Let every task do what is due."""
    for _ in range(10):
        await asyncio.sleep(0)


async def until(motor: Motor, asked: Query, *, version: int) -> None:
    """Ask until the version decides."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await one(motor, asked)).version == version:
                return
            await asyncio.sleep(0.001)


async def test_a_version_without_probabilities_leaves_the_last_good_one_deciding() -> None:
    stores = memory_stores()
    first = deployed()
    await stores.channel.publish(record(first))
    async with motor_over(stores) as motor:
        assert (await one(motor, query(first))).version == 0
        broken = structs.replace(record(rewarded(first, 1.0)), law=np.full(3, np.nan).tobytes())
        await stores.channel.publish(broken)
        await settle()
        await motor.refresh(first.experiment)
        assert (await one(motor, query(first, 1))).version == 0
    async with motor_over(stores) as motor:
        (answer,) = await motor.decide([query(first)])
        assert isinstance(answer, Unavailable)


class CountingChannel(MemoryChannel):
    """Memory that counts what it is asked, and can wait, be away or tell nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0
        self.rounds: list[list[str]] = []
        self.away = False
        self.silent = False
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, experiment: str) -> StateRecord | None:
        self.fetched += 1
        await self.open.wait()
        if self.away:
            raise Unavailable("redis is away")
        return await super().fetch(experiment)

    async def versions(self, experiments: Sequence[str]) -> list[int | None]:
        self.rounds.append(list(experiments))
        await self.open.wait()
        if self.away:
            raise Unavailable("redis is away")
        return await super().versions(experiments)

    async def announce(self, topic: str, payload: str) -> None:
        if not self.silent:
            await super().announce(topic, payload)


class MergedLedger:
    """One store's methods, with another's where it has them."""

    def __init__(self, below: Any, above: Any) -> None:
        self._below, self._above = below, above

    def __getattr__(self, name: str) -> Any:
        return getattr(self._above, name, None) or getattr(self._below, name)


@pytest.fixture
def channel() -> CountingChannel:
    return CountingChannel()


@pytest.fixture
def stores(channel: CountingChannel) -> Stores:
    return stores_with(memory_stores(), channel=channel)


async def test_a_decision_is_the_platforms_draw_from_the_policys_law(stores: Stores) -> None:
    deployment = rewarded(deployed("BetaTSPolicy@1"), 1.0, 0.0, 1.0)
    await stores.channel.publish(record(deployment))
    law = deployment.decider().propensities(None)
    async with motor_over(stores) as motor:
        for number in range(200):
            answer = await one(motor, query(deployment, number))
            u = uniform(
                DRAW_KEY, experiment=deployment.experiment, epoch=0, decision_id=f"{number:032x}"
            )
            assert answer.u == u
            assert answer.low <= u < answer.low + answer.propensity
            assert answer.propensity == pytest.approx(law[answer.arm], abs=1e-12)
            assert answer.low == pytest.approx(law[: answer.arm].sum(), abs=1e-12)
            assert (answer.epoch, answer.version) == (0, 1)


async def test_every_motor_that_is_given_the_law_draws_from_equal_bits(stores: Stores) -> None:
    deployment = rewarded(deployed("BetaTSPolicy@1"), 1.0, 0.0, 1.0)
    await stores.channel.publish(record(deployment))
    async with motor_over(stores) as first, motor_over(stores) as second:
        for number in range(50):
            asked = query(deployment, number)
            mine, other = await one(first, asked), await one(second, asked)
            assert (mine.arm, mine.low, mine.propensity) == (other.arm, other.low, other.propensity)


async def test_a_context_of_another_width_is_refused(stores: Stores) -> None:
    deployment = deployed("LinUCBPolicy@1", dim=2)
    await stores.channel.publish(record(deployment))
    async with motor_over(stores) as motor:
        good = query(deployment, context=np.zeros(2).tobytes())
        bad = query(deployment, context=np.zeros(3).tobytes())
        answers = await motor.decide([bad, good, query(deployment)])
        assert [type(answer) for answer in answers] == [ShapeError, Outcome, ShapeError]


async def test_an_unknown_or_foreign_experiment_is_not_found_and_spoils_nobodys_answer(
    stores: Stores,
) -> None:
    deployment = deployed()
    await stores.channel.publish(record(deployment))
    async with motor_over(stores) as motor:
        foreign = Query("f" * 32, deployment.experiment, ID)
        unknown = Query(TENANT, "0" * 32, ID)
        answers = await motor.decide([foreign, query(deployment), unknown])
        assert [type(answer) for answer in answers] == [NotFound, Outcome, NotFound]


async def test_without_a_copy_the_ledgers_snapshot_decides(stores: Stores) -> None:
    deployment = deployed()

    class Snapshots:
        """A ledger that has one snapshot."""

        async def snapshot(self, experiment: str) -> StateRecord | None:
            return record(deployment) if experiment == deployment.experiment else None

    ledger: Any = Snapshots()
    async with motor_over(stores_with(stores, ledger=MergedLedger(stores.ledger, ledger))) as motor:
        assert (await one(motor, query(deployment))).version == 0


async def test_a_published_state_is_followed_at_once(stores: Stores) -> None:
    deployment = deployed()
    await stores.channel.publish(record(deployment))
    async with motor_over(stores, state_ttl_s=1000) as motor:
        assert (await one(motor, query(deployment))).version == 0
        for version in (1, 2, 3):
            deployment = rewarded(deployment, 0.0, 1.0, 0.0)
            await stores.channel.publish(record(deployment))
            await until(motor, query(deployment), version=version)


async def test_a_lost_call_is_made_up_for_by_looking_again(
    stores: Stores, channel: CountingChannel
) -> None:
    deployment = deployed()
    channel.silent = True
    await channel.publish(record(deployment))
    async with motor_over(stores, state_ttl_s=0.01) as motor:
        assert (await one(motor, query(deployment))).version == 0
        await channel.publish(record(rewarded(deployment, 1.0)))
        await until(motor, query(deployment), version=1)


async def test_states_that_are_due_at_one_time_are_asked_for_in_one_round_trip(
    stores: Stores, channel: CountingChannel
) -> None:
    deployments = [deployed() for _ in range(20)]
    for deployment in deployments:
        await channel.publish(record(deployment))
    asked = [query(deployment) for deployment in deployments]
    async with motor_over(stores, state_ttl_s=0.01) as motor:
        await motor.decide(asked)
        await asyncio.sleep(0.02)
        fetched = channel.fetched
        await motor.decide(asked)
        await eventually(lambda: channel.rounds != [])
        await settle()
        assert sorted(channel.rounds[0]) == sorted(one.experiment for one in asked)
        assert channel.fetched == fetched


async def test_after_an_interruption_everything_is_looked_at_again(
    stores: Stores, channel: CountingChannel
) -> None:
    deployment = deployed()
    await channel.publish(record(deployment))
    async with motor_over(stores, state_ttl_s=1000) as motor:
        await one(motor, query(deployment))
        await settle()
        channel.silent = True
        await channel.publish(record(rewarded(deployment, 1.0)))
        channel.silent = False
        await channel.announce(keys.STATES, "")
        await until(motor, query(deployment), version=1)


async def test_an_older_state_never_takes_the_place_of_a_newer_one(
    stores: Stores, channel: CountingChannel
) -> None:
    old = deployed()
    new = rewarded(old, 1.0)
    await channel.publish(record(new))
    async with motor_over(stores) as motor:
        assert (await one(motor, query(new))).version == 1
        channel.lose()
        await channel.publish(record(old))
        assert await motor.refresh(new.experiment) == 1


async def test_many_who_ask_first_cause_one_look_up(
    stores: Stores, channel: CountingChannel
) -> None:
    deployment = deployed()
    await channel.publish(record(deployment))
    async with motor_over(stores) as motor:
        await settle()
        channel.fetched = 0
        asked = (motor.decide([query(deployment, number)]) for number in range(100))
        answers = await asyncio.gather(*asked)
        assert all(isinstance(answer, Outcome) for (answer,) in answers)
        assert channel.fetched == 1


async def test_what_does_not_exist_is_not_looked_up_again_at_once(
    stores: Stores, channel: CountingChannel
) -> None:
    async with motor_over(stores, absent_ttl_s=1000) as motor:
        await settle()
        unknown = Query(TENANT, "0" * 32, ID)
        for _ in range(5):
            await motor.decide([unknown])
        assert channel.fetched == 1
        deployment = deployed()
        await motor.decide([query(deployment)])
        await channel.publish(record(deployment))
        await settle()
        await until(motor, query(deployment), version=0)


async def test_the_last_state_decides_while_every_store_is_away_and_tells_its_age(
    stores: Stores, channel: CountingChannel
) -> None:
    deployment = deployed()
    await channel.publish(record(deployment))
    async with motor_over(stores, state_ttl_s=0.01) as motor:
        await one(motor, query(deployment))
        channel.away = True
        channel.lose()
        await asyncio.sleep(0.05)
        answer = await one(motor, query(deployment))
        assert answer.version == 0
        assert answer.age_ms >= 50


async def test_a_slow_store_holds_nobody_up_who_has_a_state(
    stores: Stores, channel: CountingChannel
) -> None:
    deployment = deployed()
    await channel.publish(record(deployment))
    async with motor_over(stores, state_ttl_s=0.001) as motor:
        await one(motor, query(deployment))
        channel.open.clear()
        await asyncio.sleep(0.01)
        for number in range(10):
            async with asyncio.timeout(PATIENCE_S):
                await one(motor, query(deployment, number))
        channel.open.set()


async def test_a_state_never_seen_is_unavailable_while_the_stores_are_away(
    stores: Stores, channel: CountingChannel
) -> None:
    class Away:
        """A ledger that does not answer."""

        async def snapshot(self, experiment: str) -> StateRecord | None:
            raise Unavailable("postgres is away")

    channel.away = True
    ledger: Any = MergedLedger(stores.ledger, Away())
    async with motor_over(stores_with(stores, ledger=ledger)) as motor:
        (answer,) = await motor.decide([Query(TENANT, "0" * 32, ID)])
        assert isinstance(answer, Unavailable)


async def test_a_retired_arm_is_never_chosen_and_the_floor_is_mixed_in(stores: Stores) -> None:
    base = deployed("KLUCBPolicy@1", n_arms=4)
    changed = replace(base.configuration, retired=(1,), floor=0.3)
    deployment = replace(base, configuration=changed)
    await stores.channel.publish(record(deployment))
    async with motor_over(stores) as motor:
        answers = [await one(motor, query(deployment, number)) for number in range(200)]
        assert {answer.arm for answer in answers} == {0, 2, 3}


async def test_a_motor_that_no_longer_listens_says_so(stores: Stores) -> None:
    async with motor_over(stores) as motor:
        await motor.ping()
    with pytest.raises(Unavailable):
        await motor.ping()


async def test_queries_that_come_together_are_one_call_of_the_policy_and_get_equal_answers(
    stores: Stores,
) -> None:
    deployment = deployed("LinTSPolicy@1", dim=3)
    await stores.channel.publish(record(deployment))
    contexts = np.random.default_rng(7).normal(size=(150, 3))
    asked = [query(deployment, n, context=x.tobytes()) for n, x in enumerate(contexts)]
    async with motor_over(stores) as motor:
        alone = [await one(motor, each) for each in asked]
        together = await asyncio.gather(*(one(motor, each) for each in asked))
        batch = await motor.decide(asked)
    for single, shared, batched in zip(alone, together, batch, strict=True):
        assert isinstance(batched, Outcome)
        for other in (shared, batched):
            assert other.arm == single.arm
            assert other.low == pytest.approx(single.low, abs=1e-10)
            assert other.propensity == pytest.approx(single.propensity, abs=1e-10)
            assert other.low <= other.u < other.low + other.propensity


async def test_many_at_once_get_the_answers_that_each_would_get(stores: Stores) -> None:
    """Of experiments without a context and with one, mixed, an unknown one among them."""
    ends = [deployed(), deployed("BetaTSPolicy@1"), deployed("LinUCBPolicy@1", dim=2)]
    for end in ends:
        await stores.channel.publish(record(end))
    contexts = [b"", b"", np.array([1.0, -0.5]).tobytes()]
    asked = [query(ends[n % 3], n, context=contexts[n % 3]) for n in range(200)]
    asked[50:50] = [query(deployed(), 7)]
    async with motor_over(stores) as motor:
        together = await motor.decide(asked)
        alone = [(await motor.decide([each]))[0] for each in asked]
    assert isinstance(together[50], NotFound)
    assert isinstance(alone[50], NotFound)
    del together[50], alone[50]
    for one_of_many, single in zip(together, alone, strict=True):
        assert isinstance(one_of_many, Outcome)
        assert isinstance(single, Outcome)
        assert structs.replace(one_of_many, age_ms=0) == structs.replace(single, age_ms=0)


async def test_who_goes_away_does_not_take_the_others_along(stores: Stores) -> None:
    deployment = deployed("LinUCBPolicy@1", dim=1)
    await stores.channel.publish(record(deployment))
    context = np.ones(1).tobytes()
    async with motor_over(stores) as motor:
        await one(motor, query(deployment, context=context))
        tasks = [
            asyncio.create_task(one(motor, query(deployment, number, context=context)))
            for number in range(3)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Outcome, asyncio.CancelledError, Outcome]


async def test_a_store_that_hangs_is_given_up_after_the_deadline(
    stores: Stores, channel: CountingChannel
) -> None:
    known, unknown = deployed(), deployed()
    await channel.publish(record(known))
    async with motor_over(stores, load_deadline_s=0.5) as motor:
        await one(motor, query(known))
        channel.open.clear()
        answers = await motor.decide([query(unknown), query(known)])
        assert [type(answer) for answer in answers] == [Unavailable, Outcome]
        channel.open.set()
