"""The roles as processes."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import Any

__all__ = ["cortex", "motor", "proxy"]

# What a policy multiplies is small: the threads of BLAS would only wait for each other, and for the
# event loop. Read when numpy is loaded; what the environment says wins.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def proxy(**flags: Any) -> None:
    """Serve the public API until asked to stop."""
    _live("proxy", flags)


def motor(**flags: Any) -> None:
    """Decide for proxies elsewhere until asked to stop."""
    _live("motor", flags)


def cortex(**flags: Any) -> None:
    """Learn until asked to stop."""
    _live("cortex", flags)


def _live(role: str, flags: dict[str, Any]) -> None:
    for name, value in _ONE_THREAD.items():
        os.environ.setdefault(name, value)
    gc.disable()
    life: Any = import_module(f"serving.cli.living.{role}")
    gc.freeze()  # modules stay: looking for garbage among them would be a fifth of the start
    gc.enable()
    life.live(**flags)
