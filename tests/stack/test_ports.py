"""The ports of a stack: each name has its own, and keeps it while it can."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbrix.errors import Unavailable
from serving.stack.folders import Folders
from serving.stack.roles import Plan, choose_ports, port_names


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.make(tmp_path)


def test_the_ports_of_last_time_are_taken_again(folders: Folders) -> None:
    names = dict.fromkeys(("http", "motor", "cortex"))
    first = choose_ports(folders, names)
    assert choose_ports(folders, names) == first
    assert len(set(first.values())) == 3


def test_no_two_names_share_a_port_though_nobody_listens_there_yet(folders: Folders) -> None:
    (port,) = choose_ports(folders, {"http": None}).values()
    (folders.run / "motor.port").write_text(f"{port}\n")
    ports = choose_ports(folders, {"http": None, "motor": None})
    assert ports["http"] == port != ports["motor"]
    asked = choose_ports(folders, {"cortex": None, "motor": None, "http": ports["motor"]})
    assert asked["http"] == ports["motor"] != asked["motor"]


def test_a_port_that_is_wanted_twice_is_refused(folders: Folders) -> None:
    (port,) = choose_ports(folders, {"http": None}).values()
    with pytest.raises(Unavailable, match=f"port {port} of 127.0.0.1 is taken"):
        choose_ports(folders, {"http": port, "grpc": port})


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_role_finds_its_ports(split: bool, workers: int, tmp_path: Path) -> None:
    ports = {name: 1000 + number for number, name in enumerate(port_names(workers))}
    plan = Plan(Folders.make(tmp_path), {}, ports)
    roles = dict(plan.roles(split=split, workers=workers))
    assert len(roles) == 1 + split + workers
    assert ("motor" in roles) == split
