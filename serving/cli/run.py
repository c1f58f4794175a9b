"""How a role lives: it says when it is ready, and goes when it is asked to."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import structlog
import uvloop

__all__ = ["run_role", "until_asked"]


def run_role(life: Coroutine[Any, Any, None]) -> None:
    """Live in an event loop of our own."""
    uvloop.run(life)


async def until_asked(
    role: str,
    *,
    run_dir: Path | None,
    ports: Mapping[str, int],
    ends: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Say that the role is ready; return at SIGTERM or SIGINT, or raise what ``ends`` it."""
    log = structlog.get_logger(role)
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    waiting = {asyncio.ensure_future(asked.wait())}
    if ends is not None:
        waiting.add(asyncio.ensure_future(_true_when(ends)))
    gc.collect()
    gc.freeze()  # modules and settings live as long as the role: no need to visit them again
    with _ready_file(role, run_dir=run_dir, ports=ports):
        log.info("ready", pid=os.getpid(), **ports)
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting - done:
        task.cancel()
    for task in done:
        task.result()
    log.info("draining")


async def _true_when(ends: Callable[[], Awaitable[None]]) -> Literal[True]:
    await ends()
    return True


@contextmanager
def _ready_file(role: str, *, run_dir: Path | None, ports: Mapping[str, int]) -> Iterator[None]:
    """``<run_dir>/<role>.ready`` while the role is ready; it appears whole or not at all."""
    if run_dir is None:
        yield
        return
    file = run_dir / f"{role}.ready"
    draft = file.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps({"pid": os.getpid(), "ports": dict(ports)}), "utf-8")
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
