"""Servers and roles that can be killed, paused, cut off and given a wrong clock, one by one."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from serving.stack.folders import Folders
from serving.stack.roles import DRAIN_S, choose_ports, make_admin_key, make_secrets, migrate
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from serving.stack.supervisor import Role, Supervisor
from serving.storage.base import Stores
from serving.storage.connect import open_stores
from tests.faults import clock
from tests.faults.kinds import signed_bundle
from tests.faults.tcp import FaultyWire

__all__ = ["FaultStack", "until"]

LOOPBACK = "127.0.0.1"
CODE = Path(__file__).parents[2]
READY_S = 90.0
# A process may be killed at any time, the machine may not: what fsync protects from is left out.
QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "40"}
SETTINGS = {
    "CORTEX_LEASE_TTL_S": "1.5",
    "CORTEX_LEASE_RENEW_S": "0.3",
    "CORTEX_WINDOW_GRACE_S": "0.5",
    "PROXY_DURABILITY_CHECK_S": "1",
    "PROXY_INTAKE_DEADLINE_S": "2",
    "PROXY_BACKLOG_LIMIT": "2000",
}


class FaultyRole(Role):
    """A role whose next life, and only that, may have a failpoint."""

    failpoint = ""

    def renew(self, environment: Mapping[str, str]) -> None:
        """What its next lives are to have in their environment."""
        self._environment |= environment

    def launch(self) -> None:
        self._environment["QBRIX_FAILPOINT"], self.failpoint = self.failpoint, ""
        super().launch()


class FaultStack:
    """As `serving.stack.Stack` (split with ``motors``), with wires that can fail.

    There is one between each kind of role and each store.
    The servers are not supervised: who kills one starts it again. The roles are. Their
    ``settings`` are impatient ones by default, so that outages can be short; ``code`` is the tree
    whose roles run.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        proxies: int = 1,
        cortexes: int = 1,
        motors: int = 0,
        settings: Mapping[str, str] = SETTINGS,
        postgres: EmbeddedPostgres | None = None,
        code: Path = CODE,
    ) -> None:
        self.folders = Folders.make(data_dir)
        self.postgres = postgres or EmbeddedPostgres(data_dir, settings=QUICK)
        self.valkey = EmbeddedValkey(data_dir)
        self.wires = {
            f"{role}-{store}": FaultyWire(lambda server=server: server.port)  # type: ignore[misc]
            for role in ("proxy", "motor", "cortex")
            for store, server in (("postgres", self.postgres), ("redis", self.valkey))
        }
        self.roles: dict[str, FaultyRole] = {}
        self.lost_s = -math.inf  # when the data of Redis went, by the monotonic clock
        self.clock_file = self.folders.root / "clock"
        self._counts = {"cortex": cortexes, "motor": motors, "proxy": proxies}
        self._settings = dict(settings)
        self._code = {"PYTHONPATH": str(code)}
        self._supervisor = Supervisor()
        self._ports: dict[str, int] = {}
        self._paused: set[int] = set()
        self._running = ExitStack()

    def start(self) -> Self:
        """Return when every role is ready."""
        with ExitStack() as undo:
            for server in (self.postgres, self.valkey):
                undo.enter_context(server)
            for wire in self.wires.values():
                wire.start()
                undo.callback(wire.stop)
            undo.callback(self._supervisor.stop)
            secrets = make_secrets(self.folders)
            direct = os.environ | secrets | self._urls("")
            migrate(self.folders, direct | self._code)
            make_admin_key(self.folders, direct | self._code)
            names = [name for role, n in self._counts.items() for name in _names(role, n)]
            self._ports = choose_ports(self.folders, dict.fromkeys(("http", "grpc", *names)))
            for name in names:
                self._add(name, secrets)
            self._supervisor.wait_ready(timeout_s=READY_S)
            self._running = undo.pop_all()
        return self

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        self._let_go()
        self._running.close()

    def mend(self) -> None:
        """Undo whatever was done, and wait until all is well."""
        self._let_go()
        self.clock_file.unlink(missing_ok=True)
        for server in (self.postgres, self.valkey):
            server.start()
        self.wait_ready()

    def _let_go(self) -> None:
        for wire in self.wires.values():
            wire.heal()
        for pid in list(self._paused):
            self.send_pid(pid, signal.SIGCONT)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports['http']}"

    @property
    def grpc_address(self) -> str:
        return f"{LOOPBACK}:{self._ports['grpc']}"

    @cached_property
    def bundle(self) -> bytes:
        """A policy of a user's own that this stack trusts."""
        return signed_bundle(self.folders.secrets / "signing_key")

    @property
    def api_key(self) -> str:
        return (self.folders.secrets / "admin_api_key").read_text("utf-8").strip()

    def motor_address(self, name: str) -> str:
        """Where a motor answers proxies."""
        return f"{LOOPBACK}:{self._ports[name]}"

    def metrics_url(self, name: str) -> str:
        """Where a role shows what it counts."""
        role = name.partition("-")[0]
        ready = (self.folders.run / name / f"{role}.ready").read_text("utf-8")
        return f"http://{LOOPBACK}:{json.loads(ready)['ports']['http']}/metrics"

    def secret(self, name: str) -> bytes:
        """``draw`` or ``token``."""
        return bytes.fromhex((self.folders.secrets / f"{name}.key").read_text("ascii").strip())

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Stores]:
        """The stores without any wire between."""
        urls = self._urls("")
        opened = await open_stores(
            postgres_url=urls["QBRIX_POSTGRES_URL"], redis_url=urls["QBRIX_REDIS_URL"]
        )
        try:
            yield opened
        finally:
            await opened.close()

    def pid(self, name: str) -> int:
        """The process of a role."""
        child = self.roles[name].child
        assert child is not None
        return child.pid

    def kill(self, name: str) -> None:
        """SIGKILL to a role; the supervisor starts it again."""
        self._supervisor.kill(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT, SIGTERM to a role."""
        self.send_pid(self.pid(name), number)

    def send_pid(self, pid: int, number: signal.Signals) -> None:
        """As `send`; a process that is paused is remembered."""
        if number == signal.SIGSTOP:
            self._paused.add(pid)
        else:
            self._paused.discard(pid)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    def state_of(self, pid: int) -> str:
        """``T`` for a process that is stopped; "" for none."""
        listing = subprocess.run(
            ["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return listing.stdout.strip()[:1]

    def arm(self, name: str, failpoint: str) -> None:
        """Begin a new life of the role, with this failpoint in it."""
        self.roles[name].failpoint = failpoint
        before = self.pid(name)
        self.kill(name)
        until(lambda: self.pid(name) != before, what=f"{name} is started again")

    def ended(self, name: str, pid: int) -> bool:
        """Whether that life of the role is over."""
        child = self.roles[name].child
        return child is None or child.pid != pid or not child.is_running

    def renew(self) -> None:
        """Bring the schema up to date; from their next lives on all roles run this code."""
        self._code = {"PYTHONPATH": str(CODE)}
        migrate(self.folders, os.environ | self._urls("") | self._code)
        for role in self.roles.values():
            role.renew(self._code)

    def wait_ready(self) -> None:
        """Until every role is ready again."""
        self._supervisor.wait_ready(timeout_s=READY_S)

    def serves(self) -> bool:
        """Whether a proxy says that it is ready."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2.0).status_code == 200
        except httpx.TransportError:
            return False

    def empty_redis(self) -> None:
        """Kill Redis, take its data away, start it again."""
        self.valkey.kill()
        shutil.rmtree(self.valkey.home)
        self.valkey.home.mkdir(mode=0o700)
        self.valkey.start()

    def set_clock(self, **ahead_s: float) -> None:
        """How far the wall clock of each role is ahead from now on."""
        draft = self.clock_file.with_suffix(".draft")
        draft.write_text(json.dumps(ahead_s), "ascii")
        draft.replace(self.clock_file)

    def _urls(self, role: str) -> dict[str, str]:
        """The stores' addresses, through the wires of a role."""
        urls = {"postgres": self.postgres.url, "redis": self.valkey.url}
        if role:
            urls = {
                store: _with_port(url, self.wires[f"{role}-{store}"].port)
                for store, url in urls.items()
            }
        return {"QBRIX_POSTGRES_URL": urls["postgres"], "QBRIX_REDIS_URL": urls["redis"]}

    def _add(self, name: str, secrets: Mapping[str, str]) -> None:
        role = name.partition("-")[0]
        environment = {
            **os.environ,
            **secrets,
            **self._settings,
            **self._urls(role),
            "PROXY_HTTP_PORT": str(self._ports["http"]),
            "PROXY_GRPC_PORT": str(self._ports["grpc"]),
            "PROXY_REUSE_PORT": "true" if self._counts["proxy"] > 1 else "false",
            "PROXY_CORTEX_ADDRESS": f"{LOOPBACK}:{self._ports['cortex']}",
            "MOTOR_GRPC_PORT": str(self._ports[name]),
            "MOTOR_HTTP_PORT": "0",
            "CORTEX_GRPC_PORT": str(self._ports[name]),
            "CORTEX_HTTP_PORT": "0",
            clock.FILE: str(self.clock_file),
            clock.NAME: name,
            "PYTHONPATH": os.pathsep.join((self._code["PYTHONPATH"], str(CODE))),
        }
        if motors := _names("motor", self._counts["motor"]):
            environment["PROXY_MOTOR_ADDRESS"] = ",".join(
                f"{LOOPBACK}:{self._ports[motor]}" for motor in motors
            )
        made = FaultyRole(
            role,
            (sys.executable, "-P", "-m", "tests.faults.clock", role),
            environment=environment,
            run=self.folders.run / name,
            log=self.folders.logs / f"{name}.log",
            drain_s=DRAIN_S,
        )
        self.roles[name] = made
        self._supervisor.add(name, made)


def until(true: Callable[[], bool], *, what: str, within_s: float = 60.0) -> None:
    """Wait for a condition, with a bound."""
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, f"{within_s:.0f} s passed before {what}"
        time.sleep(0.02)


def _names(role: str, n: int) -> list[str]:
    return [role, *(f"{role}-{number}" for number in range(2, n + 1))][:n]


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{who}@{LOOPBACK}:{port}"))
