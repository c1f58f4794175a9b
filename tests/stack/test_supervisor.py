"""The supervisor, over small real processes in the place of roles."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qbrix.errors import Unavailable, UnknownName
from serving.stack.supervisor import Role, Supervisor
from tests.waiting import PATIENCE_S, until

READY = """
import json, os, pathlib, signal, sys, time
name, journal = sys.argv[1:]
def note(what):
    with open(journal, "a") as file:
        file.write(f"{name} {what}\\n")
"""
BECOME_READY = """
ready = pathlib.Path(os.environ["QBRIX_RUN_DIR"], f"{name}.ready")
ready.write_text(json.dumps({"pid": os.getpid()}))
"""
DRAINS = """
def drain(*_):
    note("drained")
    sys.exit()
signal.signal(signal.SIGTERM, drain)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
WAIT = "note('started')\nwhile True: time.sleep(60)"
FAIL = "sys.exit('the setting X is missing')"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop()


def role(name: str, folder: Path, *parts: str, drain_s: float = PATIENCE_S) -> Role:
    command = (sys.executable, "-c", "\n".join((READY, *parts)), name, str(folder / "journal"))
    return Role(
        name,
        command,
        environment=os.environ,
        run=folder / name,
        log=folder / f"{name}.log",
        drain_s=drain_s,
    )


def test_roles_are_stopped_in_the_opposite_order_and_may_drain(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    for name in ("cortex", "proxy"):
        supervisor.add(name, role(name, tmp_path, DRAINS, BECOME_READY, WAIT))
    supervisor.wait_ready(timeout_s=PATIENCE_S)
    supervisor.stop()
    journal = (tmp_path / "journal").read_text().splitlines()
    assert [line for line in journal if "drained" in line] == ["proxy drained", "cortex drained"]
    assert supervisor.pid("proxy") is None


def test_a_killed_role_comes_back_as_another_process(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.add("cortex", role("cortex", tmp_path, DRAINS, BECOME_READY, WAIT))
    supervisor.wait_ready(timeout_s=PATIENCE_S)
    first = supervisor.pid("cortex")
    supervisor.kill("cortex")
    until(lambda: supervisor.pid("cortex") not in (None, first))
    supervisor.wait_ready(timeout_s=PATIENCE_S)


def test_a_role_that_served_is_started_again_at_once_however_often_it_ends(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pauses that double from 0.05 s on would come to more than 100 s.
    monkeypatch.setattr("serving.stack.supervisor.LONGEST_PAUSE_S", 10 * PATIENCE_S)
    supervisor.add("cortex", role("cortex", tmp_path, BECOME_READY, WAIT))
    for _ in range(12):
        supervisor.wait_ready(timeout_s=PATIENCE_S)
        before = supervisor.pid("cortex")
        supervisor.kill("cortex")
        until(lambda before=before: supervisor.pid("cortex") not in (None, before))  # type: ignore[misc]


def test_a_role_that_cannot_start_is_reported_with_its_own_words(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.add("motor", role("motor", tmp_path, FAIL))
    with pytest.raises(Unavailable, match=r"motor did not become ready(.|\n)*X is missing"):
        supervisor.wait_ready(timeout_s=PATIENCE_S)


def test_a_role_that_does_not_drain_in_time_is_ended(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.add("motor", role("motor", tmp_path, DEAF, BECOME_READY, WAIT, drain_s=0.1))
    supervisor.wait_ready(timeout_s=PATIENCE_S)
    supervisor.stop()
    assert supervisor.pid("motor") is None


def test_an_unknown_name_is_refused_with_a_suggestion(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.add("cortex", role("cortex", tmp_path, DRAINS, BECOME_READY, WAIT))
    with pytest.raises(UnknownName, match="did you mean cortex"):
        supervisor.kill("kortex")
