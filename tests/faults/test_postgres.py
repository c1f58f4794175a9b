"""Postgres stopped, silent, full of strangers, out of disk, and cut off after it committed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from serving.stack.servers import EmbeddedPostgres
from tests.faults.stack import QUICK, FaultStack
from tests.faults.trial import Trial, trial

pytestmark = pytest.mark.faults

OUTAGE_ATTEMPTS = 60
SILENCE_S = 28.0  # less than a driver waits for an answer, 30 s


async def test_selection_and_intake_go_on_while_postgres_is_stopped_at_once(
    stack: FaultStack,
) -> None:
    async with trial(stack, name="postgres stopped") as run:
        await run.attempts(60)
        await run.does(stop_at_once, stack)
        await run.attempts(OUTAGE_ATTEMPTS)
        assert everything_is_taken(run)
        await run.does(stack.postgres.start)
        await run.recovers()
        await run.attempts(40)


async def test_a_commit_whose_reply_is_lost_counts_once(stack: FaultStack) -> None:
    wire = stack.wires["cortex-postgres"]
    async with trial(stack, name="reply lost") as run:
        for number in range(5):
            before = wire.deafened
            run.mark("fault", f"reply {number}")
            wire.deaf_after = b"COMMIT"
            await run.sees(lambda before=before: wire.deafened > before, what="a commit")  # type: ignore[misc]
            await run.attempts(20)
        await run.recovers()


@pytest.mark.parametrize(
    "word", [b'COPY "ledger"', pytest.param(b"INSERT INTO positions", marks=pytest.mark.long)]
)
async def test_a_step_that_falls_silent_in_a_statement_does_not_keep_the_shard(
    stack: FaultStack, word: bytes
) -> None:
    """To Postgres a session is not idle there, and its locks would be held for ever."""
    wire = stack.wires["cortex-postgres"]
    async with trial(stack, name="silent step") as run:
        await run.attempts(40)
        run.mark("fault", f"silent after {word!r}")
        wire.mute_after = word
        await run.sees(lambda: wire.muted > 0, what=f"{word!r} is sent")
        wire.muted = 0
        assert await run.recovers() < SILENCE_S
        await run.attempts(40)


@pytest.mark.parametrize("role", ["cortex", pytest.param("proxy", marks=pytest.mark.long)])
async def test_a_silent_postgres_delays_learning_only(stack: FaultStack, role: str) -> None:
    wire = stack.wires[f"{role}-postgres"]
    async with trial(stack, name=f"half-open postgres of {role}") as run:
        await run.attempts(40)
        wire.half_open = True
        run.mark("fault", "half-open")
        await run.attempts(OUTAGE_ATTEMPTS)
        assert everything_is_taken(run)
        wire.heal()
        await run.recovers()
        await run.attempts(40)


async def test_no_connection_is_left_for_us(stack: FaultStack) -> None:
    async with trial(stack, name="connection limit") as run:
        await run.attempts(40)
        run.mark("fault", "connection limit")
        strangers = await occupy(stack.postgres.url)
        try:
            await run.attempts(OUTAGE_ATTEMPTS)
            assert everything_is_taken(run)
        finally:
            for stranger in strangers:
                await stranger.close()
        await run.recovers()
        await run.attempts(40)


async def occupy(url: str) -> list[Any]:
    """Take all connections that the server allows, those of the roles included."""
    strangers: list[Any] = [await asyncpg.connect(url)]
    refused = 0
    while refused < 10:
        try:
            strangers.append(await asyncpg.connect(url))
        except asyncpg.TooManyConnectionsError:
            refused += 1
            await strangers[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND NOT pid = ANY($1)",
                [stranger.get_server_pid() for stranger in strangers],
            )
            await asyncio.sleep(0.02)  # a server that was just left counts it for a moment
    return strangers


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be filled."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=320m,mode=700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.long
async def test_a_full_disk_delays_learning_only(small_disk: Path, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(small_disk / "server", settings=QUICK | {"max_wal_size": "64MB"})
    stack = FaultStack(tmp_path / "data", postgres=postgres).start()
    try:
        async with trial(stack, name="disk full") as run:
            await run.attempts(60)
            shards = await shards_of(run)
            ballast = small_disk / "ballast"
            await run.does(fill, ballast)
            await run.attempts(4 * OUTAGE_ATTEMPTS)
            assert everything_is_taken(run)
            waiting = sum([await run.stores.intake.backlog(shard) for shard in shards])
            assert waiting > OUTAGE_ATTEMPTS, "the disk was not full"
            ballast.unlink()
            await run.does(postgres.start)  # a log that cannot be written ends the server
            await run.recovers()
            await run.attempts(40)
    finally:
        stack.stop()


async def shards_of(run: Trial) -> set[int]:
    """Where the experiments' rewards wait."""
    records = [await run.stores.ledger.experiment(name) for name in run.names]
    return {record.shard for record in records if record is not None}


def fill(path: Path) -> None:
    """Until there is no room for another byte."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with path.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0")


def stop_at_once(stack: FaultStack) -> None:
    """``pg_ctl stop -m immediate``: no checkpoint, no goodbye."""
    assert stack.postgres.child is not None
    stack.postgres.child.send(signal.SIGQUIT)
    stack.postgres.child.wait(20.0)


def everything_is_taken(run: Trial) -> bool:
    """Whether the last decisions were made and the last rewards acknowledged."""
    last = run.history.attempts[-OUTAGE_ATTEMPTS // 2 :]
    kinds = {one.kind for one in last}
    return kinds == {"select", "feedback"} and all(one.outcome == "ok" for one in last)
