"""Capabilities that depend on hyper-parameters: those of a policy around other policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from qbrix.policies.base import Capabilities

__all__ = ["varying"]


class _Varying:
    """A class attribute that says one thing of the class and another of each instance."""

    def __init__(self, usual: Capabilities, of: Callable[[Any], Capabilities]) -> None:
        self._usual = usual
        self._of = of

    def __get__(self, instance: object | None, owner: type) -> Capabilities:
        return self._usual if instance is None else self._of(instance)


def varying(usual: Capabilities, *, of: Callable[[Any], Capabilities]) -> Capabilities:
    """What a policy's class attribute ``capabilities`` is set to.

    Parameters
    ----------
    usual : Capabilities
        What the class answers, before its hyper-parameters are known.
    of : callable
        From an instance to what it can do; it is asked at every decision.
    """
    return cast(Capabilities, _Varying(usual, of))
