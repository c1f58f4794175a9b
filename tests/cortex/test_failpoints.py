"""Faults happen where and when they are asked for, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from qbrix.errors import InvalidParameter
from serving.failpoints import FailpointReached, armed, failpoint


def test_only_the_named_point_fails_and_once() -> None:
    with armed("named.point:raise"):
        failpoint("another.point")
        failpoint("named")
        with pytest.raises(FailpointReached, match=r"named\.point"):
            failpoint("named.point")
        failpoint("named.point")


def test_the_third_passage_can_be_meant() -> None:
    with armed("third.point:raise@3"):
        failpoint("third.point")
        failpoint("third.point")
        with pytest.raises(FailpointReached):
            failpoint("third.point")


def test_nothing_is_left_of_a_wish() -> None:
    with armed("a.point:raise"):
        pass
    failpoint("a.point")


@pytest.mark.parametrize("wish", ["point", "point:explode", "point:kill@soon", "point:kill@-1"])
def test_a_wish_that_nobody_can_fulfil_is_an_error(wish: str) -> None:
    with pytest.raises(InvalidParameter, match="QBRIX_FAILPOINT"), armed(wish):
        pass


def test_the_environment_wishes_for_a_process_from_its_start() -> None:
    program = "from serving.failpoints import failpoint as f; f('there'); f('here'); print('alive')"
    environment = os.environ | {"QBRIX_FAILPOINT": "here:kill"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, b"")
