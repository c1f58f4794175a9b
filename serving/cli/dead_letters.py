"""``qbrix dead-letters``: what could not be learned, and another chance for it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from qbrix.errors import InvalidParameter
from serving.cli.attached import open_attached, shared_settings
from serving.redriving import Redriven, held_in, redrive
from serving.storage.base import DeadLetter, Stores

__all__ = ["list_letters", "redrive_letters", "show_letter"]

_PAGE = 500


def list_letters(*, experiment: str | None, limit: int, data_dir: Path | None) -> None:
    """Print one line per letter, newest first."""

    async def run() -> list[DeadLetter]:
        async with open_attached(shared_settings(data_dir)) as stores:
            return await stores.archive.dead_letters(experiment, limit=limit)

    for letter in asyncio.run(run()):
        redriven = f"redriven {_moment(letter.redriven_ms)}" if letter.redriven_ms else "waits"
        whose = letter.experiment or "(unreadable)"
        print(f"{letter.id}\t{_moment(letter.buried_ms)}\t{whose}\t{redriven}\t{letter.reason}")


def show_letter(*, letter: int, data_dir: Path | None) -> None:
    """Print one letter with its events as JSON."""

    async def run() -> DeadLetter:
        async with open_attached(shared_settings(data_dir)) as stores:
            return await stores.archive.dead_letter(letter)

    print(json.dumps(_told(asyncio.run(run())), indent=2, ensure_ascii=False))


def redrive_letters(
    *, letters: list[int], experiment: str | None, all_of_them: bool, data_dir: Path | None
) -> int:
    """Send letters again; 1 when one of them cannot go.

    Those named by id go again whatever became of them, the others only once.
    """
    if sum((bool(letters), experiment is not None, all_of_them)) != 1:
        raise InvalidParameter("name letters by id, or one --experiment, or --all")
    done = asyncio.run(_redrive(letters, experiment, data_dir))
    stuck = [one for one in done if one.problem is not None]
    for one in stuck:
        print(f"letter {one.letter.id}: {one.problem}", file=sys.stderr)
    print(f"{len(done) - len(stuck)} redriven, {len(stuck)} cannot be")
    return int(bool(stuck))


async def _redrive(
    letters: list[int], experiment: str | None, data_dir: Path | None
) -> list[Redriven]:
    now_ms = time.time_ns() // 1_000_000
    async with open_attached(shared_settings(data_dir)) as stores:
        if letters:
            named = [await stores.archive.dead_letter(one) for one in letters]
            return await redrive(stores, named, now_ms=now_ms)
        return await redrive(stores, await _waiting(stores, experiment), now_ms=now_ms)


async def _waiting(stores: Stores, experiment: str | None) -> list[DeadLetter]:
    waiting: list[DeadLetter] = []
    before: int | None = None
    while page := await stores.archive.dead_letters(experiment, limit=_PAGE, before=before):
        waiting += [letter for letter in page if letter.redriven_ms is None]
        before = page[-1].id
    return waiting


def _told(letter: DeadLetter) -> dict[str, Any]:
    held = held_in(letter)
    return {
        "id": letter.id,
        "experiment": letter.experiment,
        "reason": letter.reason,
        "buried": _moment(letter.buried_ms),
        "redriven": _moment(letter.redriven_ms) if letter.redriven_ms else None,
        "feedback": [_event(event) for event in held.feedback],
        "decisions": [_event(event) for event in held.decisions],
        "payload": b64encode(letter.payload).decode(),
    }


def _event(event: msgspec.Struct) -> dict[str, Any]:
    told = msgspec.structs.asdict(event)
    return told | {"context": b64encode(told["context"]).decode()}


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
