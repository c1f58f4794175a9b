"""The whole system on one machine: stores, secrets, roles, and one object to hold them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from qbrix.checks import check_integer
from qbrix.errors import InvalidParameter, Unavailable
from serving.stack.embedded import EmbeddedServer
from serving.stack.folders import Folders, Lock
from serving.stack.roles import (
    Plan,
    choose_ports,
    make_admin_key,
    make_secrets,
    migrate,
    port_names,
)
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from serving.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from qbrix.client import Client

__all__ = ["Stack"]

LOOPBACK = "127.0.0.1"
READY_S = 120.0
STORES: Mapping[str, type[EmbeddedServer]] = {
    "QBRIX_POSTGRES_URL": EmbeddedPostgres,
    "QBRIX_REDIS_URL": EmbeddedValkey,
}


class Stack:
    """Postgres, Valkey, proxy, motor and cortex on loopback, all data in one directory.

    Proxy and motor share a process (``workers`` of them on one port), or with ``split`` have one
    each. ``QBRIX_POSTGRES_URL`` and ``QBRIX_REDIS_URL`` name servers to use instead of embedded
    ones. ``environment`` is added to that of the roles. Stop and start as often as you like: a
    stack goes on where it was.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        http_port: int | None = None,
        grpc_port: int | None = None,
        split: bool = False,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        check_integer(workers, name="workers", least=1)
        _check_ports(http_port=http_port, grpc_port=grpc_port)
        self.data_dir = Path(data_dir).expanduser().absolute()
        self._wanted: dict[str, int | None] = dict.fromkeys(port_names(workers))
        self._wanted |= {"http": http_port, "grpc": grpc_port}
        self._split = split
        self._workers = workers
        self._extra = dict(environment or {})
        self._supervisor = Supervisor()
        self._ports: dict[str, int] = {}
        self._running: ExitStack | None = None

    def start(self) -> Self:
        """Return when every role is ready."""
        if self._running is not None:
            return self
        folders = Folders.make(self.data_dir)
        with ExitStack() as undo:
            lock = Lock(folders.run / "stack.lock", what=f"the stack in {self.data_dir}")
            lock.acquire()
            undo.callback(lock.release)
            undo.callback(self._supervisor.stop)
            environment = os.environ | self._start_stores() | make_secrets(folders) | self._extra
            migrate(folders, environment)
            self._ports = choose_ports(folders, self._wanted)
            plan = Plan(folders, environment, self._ports)
            for name, role in plan.roles(split=self._split, workers=self._workers):
                self._supervisor.add(name, role)
            make_admin_key(folders, environment)  # takes as long as the roles need
            self._supervisor.wait_ready(timeout_s=READY_S)
            self._running = undo.pop_all()
        return self

    def stop(self) -> None:
        """Drain the roles, then stop the servers; nothing stays behind."""
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    def wait_for_signal(self) -> None:
        """Return at the first SIGINT or SIGTERM; to be called in the main thread."""
        asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: asked.set())
        asked.wait()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port('http')}"

    @property
    def grpc_address(self) -> str:
        return f"{LOOPBACK}:{self._port('grpc')}"

    @property
    def api_key(self) -> str:
        """The key of the local admin."""
        return self._kept("admin_api_key").read_text("utf-8").strip()

    @property
    def signing_key(self) -> Path:
        """The private key whose bundles this stack trusts."""
        return self._kept("signing_key")

    def client(self) -> Client:
        from qbrix.client import Client

        return Client(self.url, self.api_key)

    def pid(self, name: str) -> int | None:
        """The process of a role or server (``proxy``, ``cortex``, ``postgres``…), if it runs."""
        return self._supervisor.pid(name)

    def kill(self, name: str) -> None:
        """End a process as a crash would; the supervisor starts it again."""
        self._supervisor.kill(name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Stack({str(self.data_dir)!r}, running={self._running is not None})"

    def _kept(self, secret: str) -> Path:
        path = Folders(self.data_dir).secrets / secret
        if not path.exists():
            raise Unavailable(f"{path} is made at the first start; call start()")
        return path

    def _port(self, name: str) -> int:
        if name not in self._ports:
            raise Unavailable(f"the stack in {self.data_dir} has no ports yet; call start()")
        return self._ports[name]

    def _start_stores(self) -> dict[str, str]:
        """Their addresses; what the environment names is taken, the rest is embedded."""
        urls = {name: os.environ[name] for name in STORES if os.environ.get(name)}
        for name, embedded in STORES.items():
            if name not in urls:
                server = embedded(self.data_dir)
                server.start()
                self._supervisor.add(server.name, server)
                urls[name] = server.url
        return urls


def _check_ports(**ports: int | None) -> None:
    for name, port in ports.items():
        if port is not None and not 0 <= port <= 65_535:
            raise InvalidParameter(f"{name} = {port}: expected 1 to 65535, or 0 for any free port")
