"""How kernels are compiled: on their first call, for one core, kept on disk where that is possible.

Numba looks at a kernel's own file only to see whether what it kept is still current: after a change
of one that kernels of other files call, remove ``__pycache__`` in this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """With the arithmetic as it is written."""
    return _compiled(function)


def inlined(function: F) -> F:
    """Likewise, as a part of each kernel that calls it."""
    return _compiled(function, forceinline=True)


def summing(function: F) -> F:
    """With sums added up in any order, so that the processor can do several terms at once."""
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def _compiled(function: F, **options: Any) -> F:
    options["error_model"] = "numpy"  # a division by 0 is infinite, and nobody looks for it
    try:
        return cast(F, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # neither beside the source nor in the user's cache can files be written
        return cast(F, numba.njit(**options)(function))
