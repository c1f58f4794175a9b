"""Publication: the latest wins, not too often, and never given up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from qbrix.bundle import TrustedKeys
from qbrix.errors import Unavailable
from serving.cortex.deployments import Deployments, Live
from serving.cortex.publisher import Publisher
from serving.cortex.snapshots import Snapshots
from serving.loading import PolicyLoader
from serving.storage.base import StateRecord, Stores
from serving.storage.memory import memory_stores
from serving.storage.memory.channel import MemoryChannel
from tests.cortex.world import create


@dataclass
class Clock:
    """Seconds that pass when the test says so, and ``tick`` with every look."""

    now_s: float = 0.0
    tick_s: float = 0.0

    def __call__(self) -> float:
        self.now_s += self.tick_s
        return self.now_s


class Noting(MemoryChannel):
    """Remembers what was published; away for the first ``away`` publications."""

    def __init__(self, *, away: int = 0) -> None:
        super().__init__()
        self.noted: list[int] = []
        self._away = away

    async def publish(self, state: StateRecord) -> bool:
        if self._away:
            self._away -= 1
            raise Unavailable("away")
        self.noted.append(state.version)
        return await super().publish(state)


async def _live(stores: Stores, **how: str) -> Live:
    record = await create(stores, **how)  # type: ignore[arg-type]
    loader = PolicyLoader(stores.ledger.bundle, TrustedKeys())
    live = await Deployments(stores.ledger, loader).get(record.id)
    assert live is not None
    return live


def _at(live: Live, version: int) -> Live:
    return replace(live, deployment=replace(live.deployment, version=version))


async def test_the_first_goes_at_once_and_of_those_that_follow_the_latest() -> None:
    live = await _live(memory_stores())
    channel, clock = Noting(), Clock()
    publisher = Publisher(channel, clock=clock)
    publisher.offer(_at(live, 1), term=1)
    await publisher.publish_due()
    for version in (2, 3, 4):
        publisher.offer(_at(live, version), term=1)
        await publisher.publish_due()
    assert channel.noted == [1]
    clock.now_s = 0.1
    await publisher.publish_due()
    await publisher.publish_due()
    assert channel.noted == [1, 4]


async def test_one_experiment_does_not_wait_for_another() -> None:
    stores = memory_stores()
    one, other = await _live(stores), await _live(stores)
    channel = Noting()
    publisher = Publisher(channel, clock=Clock())
    publisher.offer(_at(one, 1), term=1)
    await publisher.publish_due()
    publisher.offer(_at(one, 2), term=1)
    publisher.offer(_at(other, 7), term=1)
    await publisher.publish_due()
    assert channel.noted == [1, 7]


@pytest.mark.parametrize(
    ("took_s", "too_early_s", "due_s"),
    [
        pytest.param(0.2, 1.3, 1.5, id="begun at 0.4, not before 1.4"),
        pytest.param(6.0, 14.9, 15.1, id="paused meanwhile: begun at 12, not 30 s later but 3"),
    ],
)
async def test_what_takes_long_to_prepare_is_published_seldom(
    took_s: float, too_early_s: float, due_s: float
) -> None:
    live = await _live(memory_stores())
    channel, clock = Noting(), Clock(tick_s=took_s)
    publisher = Publisher(channel, clock=clock)
    publisher.offer(_at(live, 1), term=1)
    await publisher.publish_due()
    clock.tick_s = 0.0
    publisher.offer(_at(live, 2), term=1)
    for clock.now_s, expected in ((too_early_s, [1]), (due_s, [1, 2])):
        await publisher.publish_due()
        assert channel.noted == expected


async def test_flushing_does_not_wait() -> None:
    live = await _live(memory_stores())
    channel = Noting()
    publisher = Publisher(channel, clock=Clock())
    for version in (1, 2):
        publisher.offer(_at(live, version), term=1)
        await publisher.flush()
    assert channel.noted == [1, 2]


async def test_what_could_not_be_published_is_tried_again() -> None:
    live = await _live(memory_stores())
    channel = Noting(away=2)
    publisher = Publisher(channel, clock=Clock())
    publisher.offer(_at(live, 1), term=1)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await publisher.flush()
    await publisher.flush()
    assert channel.noted == [1]


async def test_a_policy_that_cannot_prepare_stops_nobody() -> None:
    stores = memory_stores()
    broken, sound = await _live(stores), await _live(stores)
    half = replace(broken.deployment, state=replace(broken.deployment.state, failures=None))  # type: ignore[type-var]
    channel = Noting()
    publisher = Publisher(channel, clock=Clock())
    publisher.offer(replace(broken, deployment=half), term=1)
    publisher.offer(_at(sound, 5), term=1)
    await publisher.flush()
    assert channel.noted == [5]


async def test_snapshots_are_taken_while_it_is_quiet_and_owed_while_it_is_not() -> None:
    live = await _live(memory_stores())
    clock = Clock()
    snapshots = Snapshots(clock=clock)
    assert snapshots.due(live)
    snapshots.took(live)
    clock.now_s = 0.4
    assert not snapshots.due(live)
    for version in (2, 3):
        snapshots.owe(_at(live, version))
    assert [one.deployment.version for one in snapshots.owed()] == [3]
    clock.now_s = 0.5
    assert snapshots.due(live)
    snapshots.took(live)
    assert snapshots.owed() == []
