"""Passwords: slow, bounded, and never in the way of a select."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from qbrix.errors import Unavailable
from serving.proxy.passwords import Passwords
from serving.settings import ProxySettings
from tests.proxy.people import AUTH, register
from tests.proxy.world import open_world


def make(**settings: int) -> Passwords:
    """Cheap ones."""
    return Passwords(ProxySettings(password_memory_kib=8, password_rounds=1, **settings))


async def test_a_password_is_stored_as_argon2id_and_known_again() -> None:
    passwords = make()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert stored != await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored=stored)
    assert not await passwords.verify("wrong horse", stored=stored)
    assert not await passwords.verify("correct horse", stored=None)
    assert not await passwords.verify("correct horse", stored="no hash at all")
    passwords.close()


async def test_nobodys_password_costs_as_many_hashes_as_somebodys() -> None:
    passwords = make()
    stored = await passwords.hash("correct horse")
    await passwords.verify("x", stored=None)  # makes the decoy
    ran: list[str] = []
    passwords._matches = lambda known, _: bool(ran.append(known))  # type: ignore[method-assign, func-returns-value]
    for place in (stored, None):
        assert not await passwords.verify("x", stored=place)
    assert len(ran) == 2
    passwords.close()


async def test_who_finds_the_queue_full_is_asked_to_come_again() -> None:
    passwords = make(password_threads=1, password_queue=2)
    gate = threading.Event()
    busy = [asyncio.create_task(passwords._run(gate.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await passwords.hash("correct horse")
    assert refused.value.retry_after_s >= 1
    gate.set()
    await asyncio.gather(*busy)
    assert await passwords.hash("correct horse")
    passwords.close()


async def test_a_caller_who_leaves_gives_the_place_back_when_the_work_is_done() -> None:
    passwords = make(password_threads=1, password_queue=0)
    gate = threading.Event()
    leaver = asyncio.create_task(passwords._run(gate.wait))
    await asyncio.sleep(0)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    gate.set()
    await asyncio.get_running_loop().run_in_executor(passwords._pool, int)  # behind the work
    assert await passwords.hash("correct horse")
    passwords.close()


async def test_a_storm_of_sign_ins_stalls_no_select() -> None:
    """Sixteen sign-ins of a password's full price wait in line: a select passes them by."""
    limits = {"sign_ins_per_address": 0, "sign_ins_per_email": 0}
    price = {"password_memory_kib": 19_456, "password_rounds": 2, "password_queue": 7}
    async with open_world(**limits, **price) as world:
        experiment = await world.experiment()
        await register(world)
        await world.select(experiment["id"])
        body = {"email": "ada@acme.io", "password": "wrong horse"}
        storm = [
            asyncio.create_task(world.bare.post(f"{AUTH}/login", json=body)) for _ in range(16)
        ]
        during = []
        while not all(task.done() for task in storm):
            started_s = time.perf_counter()
            assert (await world.select(experiment["id"])).status_code == 200
            during.append(time.perf_counter() - started_s)
        answers = [task.result() for task in storm]
        assert sorted({answer.status_code for answer in answers}) == [401, 503]
        assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
        # In one line with 8 hashes of some 20 ms each, few selects would have got through.
        assert len(during) > 16
