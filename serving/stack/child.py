"""A child process that cannot outlive this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Literal

__all__ = ["ANSWERS", "GIVES_WAY", "Account", "Child", "launch_command", "tail"]

Account = Literal["self", "namespace", "nobody"]

LAUNCHER = Path(__file__).with_name("launcher.py")
ANSWERS, GIVES_WAY = -5, 5  # niceness: of what answers requests, of what learns and stores


class Child:
    """A process in a session of its own (Ctrl-C is ours to pass on), which ends when we end.

    The system ties it to the *thread* that starts it, so each child has one that waits for its end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str],
        account: Account = "self",
        niceness: int = 0,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        arguments = launch_command(
            command, account=account, niceness=niceness, death_signal=death_signal
        )
        self._ended = threading.Event()
        spawned: Future[subprocess.Popen[bytes]] = Future()

        def run() -> None:
            try:
                process = _spawn(arguments, log, environment)
            except OSError as error:
                spawned.set_exception(error)
                return
            spawned.set_result(process)
            process.wait()
            self._ended.set()

        threading.Thread(target=run, name=f"child-{log.stem}", daemon=True).start()
        self._process = spawned.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return not self._ended.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it ended within this time."""
        return self._ended.wait(timeout_s)

    def send(self, number: signal.Signals) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Ask with each signal in turn, wait as many seconds, and kill in the end."""
        for number, patience_s in steps:
            self.send(number)
            if self.wait(patience_s):
                return
        self.send(signal.SIGKILL)
        self.wait()


def launch_command(
    command: Sequence[str | Path],
    *,
    account: Account = "self",
    niceness: int = 0,
    death_signal: signal.Signals = signal.SIGKILL,
) -> list[str]:
    """The command line that runs another one through the launcher."""
    told = (account, niceness, int(death_signal), os.getpid())
    return [str(word) for word in (sys.executable, "-I", "-S", LAUNCHER, *told, *command)]


def tail(log: Path, *, lines: int = 12) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def _spawn(
    arguments: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
