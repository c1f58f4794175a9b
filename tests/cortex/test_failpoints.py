"""Faults happen where and when the environment asks for them, and nowhere else."""

from __future__ import annotations

import pytest

from serving.failpoints import FailpointReached, failpoint


def test_without_a_wish_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QBRIX_FAILPOINT", raising=False)
    failpoint("a.point")


def test_only_the_named_point_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QBRIX_FAILPOINT", "named.point:raise")
    failpoint("another.point")
    failpoint("named")
    with pytest.raises(FailpointReached, match=r"named\.point"):
        failpoint("named.point")
    failpoint("named.point")


def test_the_third_passage_can_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QBRIX_FAILPOINT", "third.point:raise@3")
    failpoint("third.point")
    failpoint("third.point")
    with pytest.raises(FailpointReached):
        failpoint("third.point")
