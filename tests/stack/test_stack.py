"""The whole system on one machine, as its users start, kill and stop it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from qbrix.errors import Conflict, InvalidParameter, Unavailable
from serving.cli import main
from serving.stack import Stack
from serving.wire.health import check_health
from tests.waiting import PATIENCE_S, PATIENT, until

POOLS = "/api/v1/pools"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), environment=PATIENT) as stack:
        yield stack


def names_of_pools(url: str, api_key: str) -> set[str]:
    answer = httpx.get(url + POOLS, headers={"X-API-Key": api_key}, timeout=PATIENCE_S)
    return {pool["name"] for pool in answer.raise_for_status().json()["pools"]}


def add_pool(url: str, api_key: str, name: str) -> None:
    body = {"name": name, "arms": [{"name": "a"}, {"name": "b"}]}
    headers = {"X-API-Key": api_key}
    httpx.post(url + POOLS, json=body, headers=headers, timeout=PATIENCE_S).raise_for_status()


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def counted_by_each(data_dir: Path, *names: str) -> int:
    """How many lists of pools these proxies answered, each asked on a port of its own."""
    counts = []
    for name in names:
        ports = json.loads((data_dir / "run" / name / "proxy.ready").read_text())["ports"]
        metrics = f"http://127.0.0.1:{ports['probe']}/metrics"
        told = httpx.get(metrics, timeout=PATIENCE_S).text
        found = re.search(r'requests_total{route="/api/v1/pools",status="200"} (\d+)', told)
        counts.append(0 if found is None else int(found[1]))
    return sum(counts)


def test_a_stack_beside_another_does_not_disturb_it(stack: Stack, tmp_path: Path) -> None:
    add_pool(stack.url, stack.api_key, "first")
    with Stack(tmp_path, split=True, workers=2, environment=PATIENT) as other:
        assert None not in [other.pid(name) for name in ("motor", "proxy", "proxy-2")]
        add_pool(other.url, other.api_key, "second")
        assert names_of_pools(other.url, other.api_key) == {"second"}
        assert counted_by_each(tmp_path, "proxy", "proxy-2") == 1  # that one request
        other.kill("proxy")
    assert names_of_pools(stack.url, stack.api_key) == {"first"}


def test_a_second_stack_on_the_same_data_is_refused(stack: Stack) -> None:
    with pytest.raises(Conflict, match=rf"in use by process {os.getpid()}; stop that one"):
        Stack(stack.data_dir).start()
    assert is_ready(stack)


def test_commands_find_a_running_stack_by_its_folder(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    with stack.client() as client:
        pool = client.create_pool("colours", ["red", "green"])
        experiment = client.create_experiment("button", pool=pool, policy="BetaTSPolicy")
        for number in range(3):
            client.feedback(client.select(experiment, f"user-{number}").request_id, 1.0)
        until(lambda: len(client.log(experiment)) == 3)
    attached = ("--data-dir", str(stack.data_dir))
    assert main(["replay", "button", "--verify", *attached]) == 0
    assert "3 rewards, each counted once" in capsys.readouterr().out
    assert main(["dead-letters", "list", *attached]) == 0
    capsys.readouterr()
    asked = ["--url", stack.url, "--api-key", stack.api_key]
    assert main(["history", "button", *asked]) == 0
    assert capsys.readouterr().out.startswith("version 0 ")
    assert main(["rollback", "button", "--to", "0", *asked]) == 0
    assert " rollback   epoch 1  BetaTSPolicy@1(" in capsys.readouterr().out
    assert capsys.readouterr().out == ""


def test_the_doctor_finds_a_running_stack_in_order(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["doctor", "--json", "--data-dir", str(stack.data_dir)])
    told = json.loads(capsys.readouterr().out)
    odd = [one for one in told["findings"] if one["level"] != "ok"]
    assert (status, odd) == (0, [])
    assert {"proxy", "cortex", "postgres", "redis"} < {one["name"] for one in told["findings"]}


def test_a_key_for_a_running_stack_is_made_by_its_folder(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    who = ("--tenant", "local", "--name", "second", "--role", "viewer")
    assert main(["key", "create", *who, "--data-dir", str(stack.data_dir)]) == 0
    key = capsys.readouterr().out.strip()
    assert names_of_pools(stack.url, key) == names_of_pools(stack.url, stack.api_key)


@pytest.mark.parametrize(
    ("name", "niceness"), [("proxy", -5), ("valkey", 0), ("cortex", 5), ("postgres", 5)]
)
def test_what_learns_gives_way_to_what_answers(stack: Stack, name: str, niceness: int) -> None:
    pid = stack.pid(name)
    assert pid is not None
    if not may_come_before_others():
        niceness = max(niceness, 0)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(max(own + niceness, -20), 19)
    session = Path(f"/proc/{pid}/autogroup")  # where the system shares time among sessions first
    if session.exists():
        assert session.read_text("ascii").endswith(f"nice {niceness}\n")


def may_come_before_others() -> bool:
    """Whether this user may lower a niceness by 5."""
    ask = [sys.executable, "-I", "-S", "-c", "import os; os.nice(-5)"]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ["cortex", "proxy", "postgres", "valkey"])
def test_a_killed_part_comes_back(stack: Stack, name: str) -> None:
    before = stack.pid(name)
    stack.kill(name)
    until(lambda: stack.pid(name) not in (None, before) and is_ready(stack))


def is_ready(stack: Stack) -> bool:
    try:
        return httpx.get(stack.url + "/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_what_a_stack_that_never_ran_does_not_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="call start"):
        _ = Stack(tmp_path).url


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"http_port": 70_000}, "http_port = 70000"),
        ({"grpc_port": -1}, "grpc_port = -1"),
        ({"workers": 0}, "workers = 0"),
    ],
)
def test_what_no_stack_can_have_is_refused_before_anything_starts(
    tmp_path: Path, wrong: dict[str, int], said: str
) -> None:
    with pytest.raises(InvalidParameter, match=said):
        Stack(tmp_path / "data", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "data").exists()


def test_up_says_that_it_is_ready_and_goes_on_where_it_was_killed(
    tmp_path: Path,
) -> None:
    command = (sys.executable, "-m", "serving.cli", "up", "--data-dir", str(tmp_path))
    ready, pools = [], []
    for start, number, code in (("first", signal.SIGKILL, -9), ("second", signal.SIGTERM, 0)):
        with running(*command, "--http-port", "0", "--grpc-port", "0") as up:
            assert up.stdout is not None
            ready.append(json.loads(up.stdout.readline()))
            url, key = ready[-1]["http"], ready[-1]["api_key"]
            asyncio.run(check_health(ready[-1]["grpc"], deadline_s=PATIENCE_S))
            add_pool(url, key, start)
            pools.append(names_of_pools(url, key))
            up.send_signal(number)
            up.communicate()
            assert up.returncode == code

    assert ready[0]["ready"] is True
    assert ready[0] == ready[1]
    assert pools == [{"first"}, {"first", "second"}]
