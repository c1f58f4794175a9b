"""The embedded servers: what they keep, whom they let in, and what is left of them."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from qbrix.errors import Conflict
from serving.stack.account import give
from serving.stack.child import Account, launch_command
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from tests.waiting import until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="another user can be lent by root only")
OPEN_TO_OTHERS = pytest.mark.skipif(
    not all(folder.stat().st_mode & 0o001 for folder in Path(sys.prefix).parents),
    reason=f"another user cannot run programs of {sys.prefix}: a folder above it is closed",
)
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

BOTH_FROM_A_PROCESS_OF_ITS_OWN = """
import json, sys
from pathlib import Path
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
with EmbeddedPostgres(Path(sys.argv[1])) as postgres, EmbeddedValkey(Path(sys.argv[1])) as valkey:
    answer = {"account": postgres.account, "pids": [postgres.pid, valkey.pid]}
    print(json.dumps(answer | {"urls": [postgres.url, valkey.url]}), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[EmbeddedPostgres, EmbeddedValkey]]:
    """A pair that tests may stop, kill and start."""
    data_dir = tmp_path_factory.mktemp("stores") / "a 'quoted' \"name\""
    postgres, valkey = EmbeddedPostgres(data_dir), EmbeddedValkey(data_dir)
    yield postgres, valkey
    valkey.stop()
    postgres.stop()


async def count_up(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> tuple[int, int]:
    """How often this was called on these data."""
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("CREATE TABLE IF NOT EXISTS calls (n int)")
    await connection.execute("INSERT INTO calls VALUES (1)")
    calls = await connection.fetchval("SELECT count(*) FROM calls")
    await connection.close()
    with redis.Redis.from_url(valkey.url) as client:
        return int(calls), int(str(client.incr("calls")))


async def test_data_outlive_a_stop_and_a_kill(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    postgres, valkey = stores
    for server in stores:
        server.start()
    first = await count_up(postgres, valkey)
    urls = [server.url for server in stores]
    for server in stores:
        server.stop()
        server.start()
    second = await count_up(postgres, valkey)
    for server in stores:
        server.kill()
        server.start()
    third = await count_up(postgres, valkey)

    assert second == (first[0] + 1, first[1] + 1)
    assert third == (first[0] + 2, first[1] + 2)
    assert [server.url for server in stores] == urls


def test_a_second_server_on_the_same_data_is_refused_by_name_of_the_holder(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    for server in stores:
        server.start()
        pid = server.pid
        with pytest.raises(Conflict, match=rf"in use by process {os.getpid()}; stop that one"):
            type(server)(server.data_dir).start()
        assert server.pid == pid


async def test_a_second_data_directory_does_not_disturb_the_first(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey], tmp_path: Path
) -> None:
    postgres, valkey = stores
    for server in stores:
        server.start()
    before = await count_up(postgres, valkey)
    with EmbeddedPostgres(tmp_path) as other, EmbeddedValkey(tmp_path) as other_valkey:
        assert await count_up(other, other_valkey) == (1, 1)
        assert other.port != postgres.port
    assert await count_up(postgres, valkey) == (before[0] + 1, before[1] + 1)


async def test_nobody_gets_in_without_the_password(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    postgres, valkey = stores
    for server in stores:
        server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            host="127.0.0.1",
            port=postgres.port,
            user="qbrix",
            password="guess",
            database="postgres",
        )
    with (
        redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_secrets_are_for_their_owner_only(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    postgres, valkey = stores
    for server in stores:
        server.start()
    private = [*postgres.folders.secrets.iterdir(), valkey.home / "valkey.conf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(postgres.folders.root.stat().st_mode) == 0o700


@ON_LINUX
def test_passwords_do_not_stand_on_a_command_line(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    for server in stores:
        server.start()
        password = (server.folders.secrets / f"{server.name}_password").read_text().strip()
        command_line = Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert password.encode() not in command_line


def test_every_acknowledged_write_is_on_disk_and_nothing_is_evicted(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    valkey = stores[1]
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        settings = {**client.config_get("append*"), **client.config_get("maxmemory-policy")}
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"


def test_a_port_taken_meanwhile_is_replaced(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    for server in stores:
        server.start()
        port = server.port
        server.stop()
        with socket.create_server(("127.0.0.1", port)):
            server.start()
            assert server.port != port


def test_a_pid_file_that_names_a_stranger_is_forgotten(
    stores: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    stranger = subprocess.Popen(["sleep", "3600"])
    for server in stores:
        server.start()
        server.kill()
        lines = server.pid_file.read_text().splitlines()
        server.pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        server.start()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_cluster_that_was_never_finished_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.draft").mkdir()
    (tmp_path / "postgres.draft" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert server.pid > 0


@AS_ROOT
@OPEN_TO_OTHERS
@pytest.mark.parametrize("account", ["namespace", "nobody"])
async def test_root_runs_postgres_as_another_user_even_in_a_closed_folder(
    account: Account, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    valkey = EmbeddedValkey(closed / "data")
    with EmbeddedPostgres(closed / "data", account=account) as postgres, valkey:
        assert await count_up(postgres, valkey) == (1, 1)
        owner = postgres.home.stat().st_uid
    assert (owner == 0) == (account == "namespace")

    # What one account left behind serves the other.
    other: Account = "nobody" if account == "namespace" else "namespace"
    with EmbeddedPostgres(closed / "data", account=other) as postgres, valkey:
        assert await count_up(postgres, valkey) == (2, 2)


@AS_ROOT
@OPEN_TO_OTHERS
def test_an_ordinary_user_runs_the_servers_as_himself(tmp_path: Path) -> None:
    give(tmp_path, "nobody")
    command = (sys.executable, "-c", BOTH_FROM_A_PROCESS_OF_ITS_OWN, str(tmp_path / "data"))
    ran = subprocess.run(
        launch_command(command, account="nobody"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert '"account": "self"' in ran.stdout
    assert (tmp_path / "data" / "postgres").stat().st_uid == tmp_path.stat().st_uid != 0


@ON_LINUX
def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-c", BOTH_FROM_A_PROCESS_OF_ITS_OWN, str(tmp_path))
    supervisor = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert supervisor.stdout is not None
    started = supervisor.stdout.readline()
    pids = [int(pid) for pid in started.split('"pids": [')[1].split("]")[0].split(",")]
    supervisor.send_signal(signal.SIGKILL)
    supervisor.communicate()

    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))
    with EmbeddedPostgres(tmp_path) as postgres, EmbeddedValkey(tmp_path) as valkey:
        assert {postgres.pid, valkey.pid}.isdisjoint(pids)
