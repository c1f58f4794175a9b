"""Rewards that are late, missing, many or wrong: what is learned of them, over every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from itertools import count

import pytest

from qbrix.bundle import BundleResolver, TrustedKeys
from qbrix.ledger import Aggregation, Attribution, Disposition
from qbrix.ledger.names import CLOSE, correction_id
from serving.cortex.closings import Closings
from serving.cortex.deployments import Deployments
from serving.cortex.learn import learn
from serving.cortex.past import Past
from serving.loading import PolicyLoader
from serving.replaying import replay
from serving.storage.base import ControlRequest, Stores
from serving.storage.connect import memory_stores, open_stores
from serving.storage.records_windows import StoredRow
from serving.storage.redis import RedisConnection
from tests.cortex.scene import GRACE_MS, START_MS, Scene, replace, retraction, scene_of
from tests.cortex.world import decided, event

WINDOW_MS = 60_000
CLOSED_MS = WINDOW_MS + GRACE_MS + 100
SHARDS = count(300)

SOON = Attribution(window_s=60.0)
DEFAULT = Attribution(window_s=60.0, default_reward=0.25)


@pytest.fixture(params=["memory", "servers"])
def urls(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """Of the servers; None for the memory."""
    return None if request.param == "memory" else request.getfixturevalue("servers")


@pytest.fixture
async def stores(urls: tuple[str, str] | None) -> AsyncIterator[Stores]:
    """Stores of every kind."""
    if urls is None:
        yield memory_stores()
        return
    opened = await open_stores(postgres_url=urls[0], redis_url=urls[1])
    yield opened
    await opened.close()


async def _scene(stores: Stores, attribution: Attribution | None) -> Scene:
    return await scene_of(stores, attribution, shard=next(SHARDS))


async def test_a_reward_after_the_window_is_recorded_and_teaches_nothing(stores: Stores) -> None:
    scene = await _scene(stores, SOON)
    in_time = event(scene.record, 1, waited_ms=WINDOW_MS)
    late = event(scene.record, 2, waited_ms=WINDOW_MS + 1)
    await scene.send(in_time, late, late)
    await scene.at(WINDOW_MS + 10)
    assert await scene.kinds() == [(1, "folded"), (2, "late")]
    assert await scene.successes() == [1.0, 0.0]


async def test_a_decision_without_a_reward_gets_the_default_once_its_window_closes(
    stores: Stores,
) -> None:
    scene = await _scene(stores, DEFAULT)
    await scene.log(0, 1, 2)
    await scene.send(event(scene.record, 1))
    await scene.at(WINDOW_MS)
    assert await scene.kinds() == [(1, "folded")]
    await scene.at(CLOSED_MS)
    await scene.at(10 * CLOSED_MS)
    assert await scene.rows() == [
        (1, "", "folded", 1.0),
        (0, CLOSE, "default", 0.25),
        (2, CLOSE, "default", 0.25),
    ]
    assert await scene.successes() == [1.5, 0.0]
    await scene.send(event(scene.record, 0, waited_ms=WINDOW_MS + 7))
    await scene.at(10 * CLOSED_MS)
    assert (await scene.rows())[3] == (0, "", "late", 1.0)
    assert await scene.successes() == [1.5, 0.0]


async def test_nobody_gets_a_default_for_an_arm_that_a_gate_or_a_pause_gave(
    stores: Stores,
) -> None:
    scene = await _scene(stores, DEFAULT)
    forced = [replace(decided(scene.record, n), source=s) for n, s in ((1, "gate"), (2, "default"))]
    await scene.stores.intake.append_decisions(scene.record.shard, forced)
    await scene.log(3, epoch=1)
    await scene.at(CLOSED_MS)
    assert await scene.rows() == []


async def test_a_reward_that_waits_unread_for_long_is_not_taken_for_missing(
    stores: Stores,
) -> None:
    """Cortex was away while windows ended: what came in time counts."""
    scene = await _scene(stores, DEFAULT)
    await scene.log(*range(4))
    await scene.send(*(event(scene.record, n) for n in range(3)))
    await scene.at(100 * CLOSED_MS)
    assert sorted(await scene.kinds()) == [
        (0, "folded"),
        (1, "folded"),
        (2, "folded"),
        (3, "default"),
    ]


async def test_a_decision_whose_log_comes_late_gets_its_default_too(stores: Stores) -> None:
    scene = await _scene(stores, DEFAULT)
    await scene.log(5)
    await scene.at(CLOSED_MS)
    await scene.log(2, 3)
    await scene.at(CLOSED_MS)
    assert sorted(await scene.kinds()) == [(2, "default"), (3, "default"), (5, "default")]
    assert await scene.successes() == [0.75, 0.0]


@pytest.mark.parametrize(
    ("aggregation", "learned"), [("sum", 0.875), ("max", 0.5), ("last", 0.125)]
)
async def test_the_rewards_of_a_window_are_learned_together_when_it_closes(
    stores: Stores, aggregation: Aggregation, learned: float
) -> None:
    scene = await _scene(stores, Attribution(window_s=60.0, aggregation=aggregation))
    paid = [("b", 0.25, 20), ("a", 0.5, 10), ("c", 0.125, 30), ("d", 1.0, WINDOW_MS + 1)]
    for name, reward, waited_ms in paid:
        one = event(scene.record, 1, reward=reward, feedback_id=name, waited_ms=waited_ms)
        await scene.send(one, one)
    await scene.at(WINDOW_MS + GRACE_MS)
    assert await scene.kinds() == [(1, "held"), (1, "held"), (1, "held"), (1, "late")]
    assert await scene.successes() == [0.0, 0.0]
    await scene.at(CLOSED_MS)
    assert (await scene.rows())[4:] == [(1, CLOSE, "closed", learned)]
    assert await scene.successes() == [learned, 0.0]
    await scene.send(event(scene.record, 1, reward=1.0, feedback_id="e", waited_ms=50))
    await scene.at(2 * CLOSED_MS)
    assert (await scene.kinds())[5:] == [(1, "late")]


async def test_a_sum_that_the_policy_cannot_learn_is_buried_with_its_reason(
    stores: Stores,
) -> None:
    scene = await _scene(stores, Attribution(window_s=60.0, aggregation="sum"))
    await scene.send(*(event(scene.record, n, feedback_id=f) for n in (1, 2) for f in "ab"[:n]))
    await scene.at(CLOSED_MS)
    assert await scene.successes() == [1.0, 0.0]
    (letter,) = await stores.archive.dead_letters(scene.record.id, limit=9)
    assert "not a number in [0, 1]" in letter.reason


async def test_what_is_taken_back_is_as_if_it_had_never_come(stores: Stores) -> None:
    scene = await _scene(stores, None)
    events = [event(scene.record, n, arm=n % 2, reward=n % 4 / 4, version=0) for n in range(9)]
    for one in events:
        await scene.send(one)
        await scene.at(1000)
    before = await scene.successes()
    assert before == [1.0, 2.0]  # 0, 2/4, 0, 2/4, 0 and 1/4, 3/4, 1/4, 3/4
    await scene.send(retraction(events[7]), retraction(events[2]))
    await scene.at(1000)
    assert await scene.successes() == [0.5, 1.25]
    assert (await scene.kinds())[-2:] == [(7, "retraction"), (2, "retraction")]
    await scene.send(event(scene.record, 20, arm=1), retraction(events[7]), retraction(events[3]))
    await scene.at(1000)
    assert await scene.successes() == [0.5, 1.5]


async def test_a_retraction_goes_back_to_a_state_from_before_and_forgets_later_ones(
    stores: Stores,
) -> None:
    scene = await _scene(stores, None)
    first, second = event(scene.record, 1), event(scene.record, 2, version=1)
    await scene.send(first)
    await scene.at(0)

    async def kept() -> int | None:
        found = await stores.windows.checkpoint(scene.record.id, epoch=0, at_most=99)
        return None if found is None else found.version

    assert await kept() == 1
    await scene.send(second)
    await scene.at(0)
    await scene.send(retraction(second))
    await scene.at(0)
    assert (await scene.successes(), await kept()) == ([1.0, 0.0], 1)
    await scene.send(retraction(first))
    await scene.at(0)
    assert (await scene.successes(), await kept()) == ([0.0, 0.0], None)


async def test_a_retraction_may_come_first_or_together_with_its_reward(stores: Stores) -> None:
    scene = await _scene(stores, None)
    one, two, three = (event(scene.record, n) for n in (1, 2, 3))
    await scene.send(retraction(one))
    await scene.at(0)
    await scene.send(one, two, retraction(two), three, retraction(one))
    await scene.at(0)
    assert await scene.kinds() == [
        (1, "withdrawal"),
        (1, "retracted"),
        (2, "retracted"),
        (3, "folded"),
        (2, "withdrawal"),
    ]
    assert await scene.successes() == [1.0, 0.0]


async def test_a_window_without_what_was_taken_back_comes_to_something_else(
    stores: Stores,
) -> None:
    attribution = Attribution(window_s=60.0, aggregation="sum", default_reward=0.125)
    scene = await _scene(stores, attribution)
    await scene.log(1)
    first, second = (
        event(scene.record, 1, reward=reward, feedback_id=name)
        for name, reward in (("a", 0.25), ("b", 0.5))
    )
    await scene.send(first, second)
    await scene.at(CLOSED_MS)
    assert await scene.successes() == [0.75, 0.0]
    await scene.send(retraction(first, after_ms=10 * WINDOW_MS))
    await scene.at(20 * CLOSED_MS)
    assert (await scene.rows())[-1] == (1, correction_id("a"), "closed", 0.5)
    assert await scene.successes() == [0.5, 0.0]
    await scene.send(retraction(second))
    await scene.at(20 * CLOSED_MS)
    assert (await scene.rows())[-1] == (1, correction_id("b"), "default", 0.125)
    assert await scene.successes() == [0.125, 0.0]


async def test_a_reward_taken_back_leaves_the_default_before_and_after_the_close(
    stores: Stores,
) -> None:
    scene = await _scene(stores, DEFAULT)
    await scene.log(1, 2)
    early, afterwards = event(scene.record, 1), event(scene.record, 2)
    await scene.send(early, afterwards, event(scene.record, 3))
    await scene.at(1000)
    await scene.send(retraction(early))
    await scene.at(1000)
    assert await scene.successes() == [2.0, 0.0]
    await scene.at(CLOSED_MS)
    assert await scene.successes() == [2.25, 0.0]
    await scene.send(retraction(afterwards))
    await scene.at(2 * CLOSED_MS)
    assert await scene.successes() == [1.5, 0.0]


async def test_nothing_is_folded_again_for_what_was_never_learned(stores: Stores) -> None:
    """Late, of a gate, of another epoch."""
    scene = await _scene(stores, SOON)
    late = event(scene.record, 1, waited_ms=2 * WINDOW_MS)
    forced = event(scene.record, 2, gate=True)
    await scene.send(late, forced, event(scene.record, 3))
    await scene.at(0)
    await scene.send(retraction(late), retraction(forced))
    await scene.at(0)
    assert (await scene.kinds())[3:] == [(1, "withdrawal"), (2, "withdrawal")]
    assert await scene.successes() == [1.0, 0.0]


async def test_a_portfolio_learns_a_default_with_what_the_decision_recorded(
    stores: Stores,
) -> None:
    scene = await scene_of(stores, DEFAULT, shard=next(SHARDS), policy="MetaBanditPolicy@1")
    await scene.at(0)
    deployment = await scene.checked()
    width = deployment.policy.capabilities.recorded
    assert width > 0
    await scene.log(1, recorded=tuple([0.5] * width))
    await scene.at(CLOSED_MS)
    assert await scene.kinds() == [(1, "default")]
    await scene.checked()


async def _configure(scene: Scene, attribution: Attribution) -> str:
    request = await scene.stores.catalog.request_control(
        ControlRequest(
            id=0,
            experiment=scene.record.id,
            reason="configure",
            change={"attribution": asdict(attribution)},
            start="keep",
        )
    )
    await scene.cortex.drain()
    return (await scene.stores.catalog.get_control(request.id)).status


async def test_a_default_is_for_windows_that_are_open_when_it_is_set(stores: Stores) -> None:
    scene = await _scene(stores, SOON)
    await scene.log(0)
    await scene.at(WINDOW_MS + 50)
    await scene.log(100)
    assert await _configure(scene, DEFAULT) == "applied"
    await scene.at(3 * CLOSED_MS)
    assert await scene.kinds() == [(100, "default")]
    deployment = await scene.checked()
    assert deployment.configuration.attribution == DEFAULT
    assert deployment.version == 2


async def test_what_waits_when_aggregation_ends_is_learned_at_the_close(stores: Stores) -> None:
    scene = await _scene(stores, Attribution(window_s=60.0, aggregation="sum"))
    await scene.send(event(scene.record, 1, reward=0.25, feedback_id="a"))
    await scene.at(1000)
    assert await _configure(scene, SOON) == "applied"
    await scene.send(event(scene.record, 2, reward=0.5))
    await scene.at(2000)
    assert await scene.successes() == [0.5, 0.0]
    await scene.at(CLOSED_MS)
    assert await scene.successes() == [0.75, 0.0]


async def test_a_reset_forgets_what_waits(stores: Stores) -> None:
    scene = await _scene(stores, Attribution(window_s=60.0, aggregation="max"))
    one = event(scene.record, 1, feedback_id="a")
    await scene.send(one)
    await scene.at(1000)
    await scene.stores.catalog.request_control(
        ControlRequest(id=0, experiment=scene.record.id, reason="reset", change={}, start="init")
    )
    await scene.at(CLOSED_MS)
    await scene.send(retraction(one))
    await scene.at(2 * CLOSED_MS)
    assert await scene.kinds() == [(1, "held"), (1, "withdrawal")]
    assert await scene.successes() == [0.0, 0.0]


async def test_what_cannot_be_folded_again_is_buried_and_stays_learned() -> None:
    """The batches since the reward are not kept any more."""
    scene = await scene_of(memory_stores(), None)
    known = event(scene.record, 1)
    await scene.send(known)
    await scene.at(0)
    deployment = await scene.checked()
    past = Past(
        {known.decision_id: [StoredRow(known, Disposition.FOLDED, 1)]}, missing="it is gone"
    )
    learned = learn(
        deployment,
        [retraction(known), event(scene.record, 2)],
        known=(),
        resolver=BundleResolver(),
        past=past,
    )
    (dead,) = learned.dead
    assert dead.reason == "it is gone"
    assert dead.event.decision_id == known.decision_id
    assert learned.deployment.version == 2


async def test_windows_wait_for_what_is_sent_again_after_the_streams_were_lost(
    servers: tuple[str, str],
) -> None:
    stores = await open_stores(postgres_url=servers[0], redis_url=servers[1])
    scene = await _scene(stores, DEFAULT)
    await scene.log(1, 2)
    await scene.at(1000)
    connection = RedisConnection(servers[1])
    await connection.command("FLUSHALL")
    await connection.close()
    await scene.at(CLOSED_MS)
    await scene.send(event(scene.record, 1))
    await scene.at(CLOSED_MS + 1000)
    assert await scene.kinds() == [(1, "folded")]
    await scene.at(CLOSED_MS + 31_000)
    assert await scene.kinds() == [(1, "folded"), (2, "default")]
    await scene.checked()
    await stores.close()


async def test_many_windows_are_closed_one_transaction_after_the_other() -> None:
    scene = await scene_of(memory_stores(), DEFAULT)
    await scene.log(*range(2500))
    await scene.at(1000)
    loader = PolicyLoader(scene.stores.ledger.bundle, TrustedKeys())
    closings = Closings(
        scene.stores.windows, Deployments(scene.stores.ledger, loader), grace_ms=GRACE_MS
    )
    (window,) = await closings.look(scene.record.shard)
    closing = await closings.due(window, read_until_ms=START_MS + CLOSED_MS + 2500)
    assert closing is not None
    assert closing.progress == (START_MS + 1999, f"{1999:032x}")
    assert closings.more
    await scene.at(CLOSED_MS + 2500)
    assert len(await scene.kinds()) == 2500
    (window,) = await closings.look(scene.record.shard)
    assert await closings.due(window, read_until_ms=START_MS + CLOSED_MS + 2500) is None
    assert not closings.more


async def test_the_whole_history_replays_to_the_same_digests(stores: Stores) -> None:
    """Late, missing, double, aggregated and retracted, compared along the chain."""
    scene = await _scene(stores, Attribution(window_s=60.0, default_reward=0.25, aggregation="sum"))
    await scene.log(*range(6))
    sent = [event(scene.record, n, reward=0.25, feedback_id=name) for n in (1, 2) for name in "ab"]
    await scene.send(*sent, *sent, event(scene.record, 3, waited_ms=2 * WINDOW_MS))
    await scene.at(CLOSED_MS)
    await scene.send(retraction(sent[0]), event(scene.record, 200, reward=1.0))
    await scene.at(CLOSED_MS)
    await scene.send(retraction(sent[2]))
    await scene.at(3 * CLOSED_MS)
    loader = PolicyLoader(stores.ledger.bundle, TrustedKeys())
    told = await replay(stores, loader, scene.record.id)
    assert told.holds, told.problems
    assert told.versions == (await scene.checked()).version + 1
    assert await scene.successes() == [0.25 * 4 + 0.25 + 0.25 + 1.0, 0.0]
