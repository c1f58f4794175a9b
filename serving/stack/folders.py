"""A stack's data directory: its folders, its lock, the secrets and ports that it keeps."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from qbrix.errors import Conflict, Unavailable

__all__ = ["Folders", "Lock", "choose_port", "keep_secret", "write_private"]


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things are under ``root``; nobody else may look into any of it."""

    root: Path

    @classmethod
    def make(cls, data_dir: Path) -> Folders:
        folders = cls(data_dir.expanduser().absolute())
        folders.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (folders.run, folders.logs, folders.secrets):
            folder.mkdir(mode=0o700, exist_ok=True)
        return folders

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"


class Lock:
    """One holder at a time, found out by the operating system, so that a dead one holds nothing."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._path = path
        self._what = what
        self._descriptor: int | None = None

    def acquire(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Conflict(
                f"{self._what} is in use by process {holder or '(starting)'}; "
                "stop that one, or choose another data directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def keep_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_hex(32)) -> str:
    """The secret in this file; made at the first call."""
    if not path.exists():
        write_private(path, make() + "\n")
    return path.read_text("utf-8").strip()


def choose_port(path: Path, *, wanted: int | None, taken: Collection[int] = ()) -> int:
    """The wanted port; else the one of last time while it is free; else a free one, remembered."""
    if wanted:
        if wanted in taken or not _is_free(wanted):
            raise Unavailable(f"port {wanted} of 127.0.0.1 is taken; free it or choose another")
        return wanted
    remembered = path.read_text("ascii").strip() if path.exists() else ""
    if remembered.isdecimal() and int(remembered) not in taken and _is_free(int(remembered)):
        return int(remembered)
    port = _free_port(taken)
    write_private(path, f"{port}\n")
    return port


def _free_port(taken: Collection[int]) -> int:
    """Below the ports of outgoing connections, which could take it while a server is away."""
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        if port not in taken and _is_free(port):
            return port
    raise Unavailable("no free port found on 127.0.0.1 between 20000 and 32000; name one")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
