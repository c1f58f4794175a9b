"""Passwords: slow, bounded, and never in the way of a select."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from argon2 import extract_parameters

from qbrix.errors import Unavailable
from serving.proxy.people.passwords import Passwords
from serving.settings import ProxySettings
from tests.proxy.people import AUTH, register
from tests.proxy.world import open_world
from tests.waiting import eventually


def make(**settings: Any) -> Passwords:
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


async def test_nobodys_password_costs_as_much_as_somebodys() -> None:
    passwords = make()
    stored = await passwords.hash("correct horse")
    assert not await passwords.verify("x", stored=None)
    assert passwords._decoy is not None
    assert extract_parameters(passwords._decoy) == extract_parameters(stored)
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


async def test_while_every_place_is_taken_selects_go_on_and_sign_ins_come_again() -> None:
    async with open_world(
        sign_ins_per_address=0, sign_ins_per_email=0, password_threads=1, password_queue=2
    ) as world:
        experiment = await world.experiment()
        await register(world)
        body = {"email": "ada@acme.io", "password": "wrong horse"}
        gate = threading.Event()
        slow = asyncio.create_task(world.gateway.people.passwords._run(gate.wait))
        await asyncio.sleep(0)
        storm = [
            asyncio.create_task(world.bare.post(f"{AUTH}/login", json=body)) for _ in range(16)
        ]
        answers = await asyncio.gather(*(world.select(experiment["id"]) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        await eventually(lambda: sum(login.done() for login in storm) == 14)
        gate.set()
        refused = [await login for login in storm]
        await slow
        statuses = [answer.status_code for answer in refused]
        assert (statuses.count(401), statuses.count(503)) == (2, 14)
        assert all(answer.headers["Retry-After"] for answer in refused if answer.is_server_error)
