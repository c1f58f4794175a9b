"""The roles as processes."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

__all__ = ["cortex", "motor", "proxy"]


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
    gc.disable()
    life: Any = import_module(f"serving.cli.living.{role}")
    gc.freeze()  # modules stay: looking for garbage among them would be a fifth of the start
    gc.enable()
    life.live(**flags)
