"""Numba's decorators as they type what they decorate: a function stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import numba as nb

__all__ = ["compiled", "inlined", "summing"]

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Returns something that is called like the function."""

    def __call__(self, function: F, /) -> F:
        """Decorate it."""
        ...


compiled = cast(Decorator, nb.njit)
inlined = cast(Decorator, nb.njit(inline="always"))
summing = cast(Decorator, nb.njit(fastmath={"reassoc", "contract", "nsz"}))  # may be vectorised
