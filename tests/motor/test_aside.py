"""Decisions by promoted code: never on the event loop, and never for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from qbrix.bundle import Bundle, BundleResolver, SigningKey, TrustedKeys, export
from qbrix.errors import Unavailable
from qbrix.ledger import Batch, Configuration, Control, PolicyRef, genesis
from serving.limited import Limit
from serving.loading import PolicyLoader
from serving.motor.service import Motor
from serving.settings import MotorSettings
from serving.storage.base import Stores
from serving.storage.memory import memory_stores
from serving.wire.selection import Outcome, Query
from tests.bundle.sources import importer
from tests.bundle.stalling import STALLS_IN_LAW, SWITCH
from tests.motor.world import DRAW_KEY, TENANT, deployed, record
from tests.waiting import PATIENCE_S

KEY = SigningKey(bytes(range(32)))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A contextual policy whose law loops when it is told to."""
    folder: Path = tmp_path_factory.mktemp("stalling")
    policy = importer(folder)(STALLS_IN_LAW)()
    return export(policy, path=folder / "stalling.qbrix", arms=2, dim=1, key=KEY)


async def _promoted(stores: Stores, bundle: Bundle) -> str:
    """An experiment that decides by the bundle."""
    ref = PolicyRef(name=bundle.manifest.policy.id, parameters={}, bundle=bundle.sha256)
    configuration = Configuration(policy=ref, n_arms=2, dim=1)
    control = Control(reason="create", configuration=configuration, start="init")
    batch = Batch(epoch=0, version=0, control=control)
    deployment = genesis(uuid4().hex, batch, BundleResolver({bundle.sha256: bundle}))
    await stores.catalog.put_bundle(TENANT, bundle.sha256, bundle.data)
    await stores.channel.publish(record(deployment))
    return deployment.experiment


def _motor(stores: Stores) -> Motor:
    limit = Limit(busy_s=0.3, passed_s=PATIENCE_S, pause_s=60.0)
    return Motor(
        MotorSettings(load_deadline_s=PATIENCE_S),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=PolicyLoader(stores.ledger.bundle, TrustedKeys([KEY.public]), limit=limit),
        draw_key=DRAW_KEY,
    )


def _asked(experiment: str, number: int) -> Query:
    context = np.array([0.5]).tobytes()
    return Query(TENANT, experiment, f"{number:032x}", context)


async def test_promoted_code_that_never_returns_holds_up_nobody_else(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = memory_stores()
    experiment = await _promoted(stores, bundle)
    other = deployed()
    await stores.channel.publish(record(other))
    motor = _motor(stores)
    await motor.start()
    quick = Query(TENANT, other.experiment, f"{1:032x}")
    good = await motor.decide([_asked(experiment, n) for n in range(5)])
    assert all(isinstance(one, Outcome) for one in good)
    assert motor.at_hand(experiment) is None
    assert isinstance((await motor.decide([quick]))[0], Outcome)

    monkeypatch.setenv(SWITCH, "law")
    stuck = asyncio.create_task(motor.decide([_asked(experiment, n) for n in range(5, 9)]))
    served = 0
    while not stuck.done():
        assert isinstance((await motor.decide([quick]))[0], Outcome)
        served += 1
        await asyncio.sleep(0.01)
    assert served > 3
    assert all(isinstance(one, Unavailable) for one in await stuck)
    await motor.stop()


async def test_promoted_code_decides_as_it_would_at_home(bundle: Bundle) -> None:
    """Shares of an empty state: a half each, so the arm is the half that u lies in."""
    stores = memory_stores()
    experiment = await _promoted(stores, bundle)
    motor = _motor(stores)
    await motor.start()
    asks = [motor.decide([_asked(experiment, n)]) for n in range(20)]
    for (answer,) in await asyncio.gather(*asks):
        assert isinstance(answer, Outcome)
        assert answer.propensity == 0.5
        assert answer.arm == int(answer.u >= 0.5)
    await motor.stop()
