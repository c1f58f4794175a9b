"""What the embedded servers have in common: lock, port, start, stop, and life after a crash."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Self

from qbrix.errors import MissingExtra, Unavailable
from serving.stack.child import Child, tail
from serving.stack.folders import Folders, Lock, choose_port
from serving.stack.orphans import end_orphan

__all__ = ["EmbeddedServer", "wheel_folder"]

PAUSES_S = (0.0, 0.1, 1.0, 4.0)  # children of a killed server take a moment to go as well
PATIENCE_S = 180.0  # a server that replays a long log is alive, and worth waiting for
POLL_S = 0.02


class EmbeddedServer(ABC):
    """One server on loopback, with its data in ``data_dir/<name>``.

    ``settings`` are added to the server's own. Start and stop may be called again and again;
    a killed server is started anew with what it had.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]]

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.settings = dict(settings or {})
        self.child: Child | None = None
        self._wanted_port = port
        self._port: int | None = None
        self._folders: Folders | None = None
        self._lock: Lock | None = None

    def start(self) -> None:
        if self.child is not None and self.child.is_running:
            return
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._acquire()
            self.prepare()
            self.launch()
            undo.pop_all()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop(*self.stop_steps)
            self.child = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self.child is not None:
            self.child.stop()

    def attach(self, port: int) -> None:
        """Somebody else runs it, on this port."""
        self._port = port

    @property
    def pid(self) -> int:
        if self.child is None or not self.child.is_running:
            raise Unavailable(f"{self.title} in {self.data_dir} is not running; call start()")
        return self.child.pid

    @property
    def port(self) -> int:
        if self._port is None:
            raise Unavailable(f"{self.title} in {self.data_dir} has no port yet; call start()")
        return self._port

    @property
    @abstractmethod
    def url(self) -> str: ...

    @property
    def folders(self) -> Folders:
        if self._folders is None:
            self._folders = Folders.make(self.data_dir)
        return self._folders

    @property
    def home(self) -> Path:
        return self.folders.root / self.name

    @property
    def log(self) -> Path:
        return self.folders.logs / f"{self.name}.log"

    def launch(self) -> None:
        """Start the process and wait until it answers; a port lost to somebody is replaced."""
        self._end_predecessor()
        for pause_s in PAUSES_S:
            time.sleep(pause_s)
            remembered = self.folders.run / f"{self.name}.port"
            self._port = choose_port(remembered, wanted=self._wanted_port)
            self.child = self.spawn()
            if self._answers_in_time(self.child):
                return
            self.child.stop(*self.stop_steps)
        raise Unavailable(
            f"{self.title} did not start in {self.home}; the end of {self.log} says:\n"
            + tail(self.log)
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    @abstractmethod
    def pid_file(self) -> Path:
        """Where the server writes its process number, on the first line."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the first start needs, and the configuration of every start."""

    @abstractmethod
    def spawn(self) -> Child: ...

    @abstractmethod
    def answers(self) -> bool:
        """Whether it accepts work now."""

    def _acquire(self) -> None:
        if self._lock is None:
            lock = Lock(self.folders.run / f"{self.name}.lock", what=f"{self.title} in {self.home}")
            lock.acquire()
            self._lock = lock

    def _end_predecessor(self) -> None:
        """See off a server whose supervisor was killed; Postgres must not trip over its number."""
        try:
            pid = int(self.pid_file.read_text("ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return
        if end_orphan(pid, mark=str(self.home), steps=self.stop_steps) == "stranger":
            self.pid_file.unlink(missing_ok=True)

    def _answers_in_time(self, child: Child) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and child.is_running:
            if self.answers():
                return child.is_running
            time.sleep(POLL_S)
        return False


def wheel_folder(package: str, *, feature: str) -> Path:
    """Where a wheel is installed, found without running any of its code."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(feature, extra="embedded")
    return Path(spec.submodule_search_locations[0])
