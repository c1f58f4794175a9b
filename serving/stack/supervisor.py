"""Keeps processes alive: what ends unasked is started again, and all end in order."""

from __future__ import annotations

import json
import secrets
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from qbrix.errors import Unavailable, UnknownName
from serving.stack.child import Child, tail
from serving.stack.orphans import end_orphan

__all__ = ["Kept", "Role", "Supervisor"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 5.0
SETTLED_S = 10.0  # after so long a life the next pause is the first one again
FALSE_STARTS = 3  # a role that ends so often before it was ever ready will not become ready
POLL_S = 0.02


class Kept(Protocol):
    """What a supervisor can keep: an embedded server or a role."""

    child: Child | None

    def launch(self) -> None:
        """Start the process; ``child`` is then the new one."""

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class Role:
    """One role process; it says that it is ready by the file ``<run>/<role>.ready``.

    Each life of it has a name, and is told the name of the one before, which is over for certain.
    """

    def __init__(
        self,
        role: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        run: Path,
        log: Path,
        drain_s: float,
        niceness: int = 0,
    ) -> None:
        self.child: Child | None = None
        self.log = log
        self._ready_file = run / f"{role}.ready"
        self._life_file = run / f"{role}.life"
        self._command = command
        self._environment = dict(environment) | {"QBRIX_RUN_DIR": str(run)}
        self._drain_s = drain_s
        self._niceness = niceness
        self._false_starts = 0
        run.mkdir(mode=0o700, exist_ok=True)

    def launch(self) -> None:
        self._false_starts += 1
        orphan = self._ready_pid()
        if orphan is not None:
            end_orphan(orphan, mark=" ".join(self._command[-2:]), steps=())
        self._ready_file.unlink(missing_ok=True)
        environment = self._environment | self._next_life()
        self.child = Child(
            self._command, log=self.log, environment=environment, niceness=self._niceness
        )

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop((signal.SIGTERM, self._drain_s))
        self._ready_file.unlink(missing_ok=True)

    def kill(self) -> None:
        if self.child is not None:
            self.child.stop()

    @property
    def is_ready(self) -> bool:
        if self.child is None or self._ready_pid() != self.child.pid:
            return False
        self._false_starts = 0
        return True

    @property
    def is_hopeless(self) -> bool:
        return self._false_starts > FALSE_STARTS

    def _next_life(self) -> dict[str, str]:
        life = {"QBRIX_LIFE": secrets.token_hex(16)}
        with suppress(FileNotFoundError):
            life["QBRIX_PREDECESSOR"] = self._life_file.read_text("utf-8")
        self._life_file.write_text(life["QBRIX_LIFE"], "utf-8")
        return life

    def _ready_pid(self) -> int | None:
        try:
            return int(json.loads(self._ready_file.read_text("utf-8"))["pid"])
        except (OSError, ValueError, KeyError):
            return None


class Supervisor:
    """Starts what it is given, in that order, and stops it in the opposite one."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}

    def add(self, name: str, kept: Kept) -> None:
        """Launch it unless it runs, and again whenever it ends."""
        if kept.child is None or not kept.child.is_running:
            kept.launch()
        self._watches[name] = _Watch(name, kept)

    def pid(self, name: str) -> int | None:
        """The process that runs under this name now, if any does."""
        child = self._watches[name].kept.child if name in self._watches else None
        return child.pid if child is not None and child.is_running else None

    def kill(self, name: str) -> None:
        """End a process as a crash would; it is started again."""
        if name not in self._watches:
            raise UnknownName("process", name, known=self._watches)
        self._watches[name].kept.kill()

    def wait_ready(self, *, timeout_s: float) -> None:
        """Return when every role is ready; raise when one cannot become so."""
        deadline = time.monotonic() + timeout_s
        for name, watch in self._watches.items():
            role = watch.kept
            while isinstance(role, Role) and not role.is_ready:
                if role.is_hopeless or time.monotonic() > deadline:
                    raise Unavailable(
                        f"{name} did not become ready; the end of {role.log} says:\n"
                        + tail(role.log)
                    )
                time.sleep(POLL_S)

    def stop(self) -> None:
        for watch in reversed(self._watches.values()):
            watch.stop()
        self._watches.clear()


class _Watch:
    """One process and the thread that starts it again."""

    def __init__(self, name: str, kept: Kept) -> None:
        self.kept = kept
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"watch-{name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._turn:  # not while it is being started
            self.kept.stop()
        self._thread.join()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            started = time.monotonic()
            if self.kept.child is not None:
                self.kept.child.wait()
            if time.monotonic() - started > SETTLED_S or self._was_ready:
                pause_s = FIRST_PAUSE_S
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            with self._turn:
                if not self._stopping.is_set():
                    self._launch()

    @property
    def _was_ready(self) -> bool:
        """Who served before it ended is wanted at once; only who never does has to wait longer."""
        return isinstance(self.kept, Role) and self.kept.is_ready

    def _launch(self) -> None:
        """Start it once more; a server that cannot says why in its own log, and gets its turns."""
        with suppress(Unavailable, OSError):
            self.kept.launch()
