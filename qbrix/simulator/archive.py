"""One file of named arrays and a JSON header: how a race is kept, without pickle."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from qbrix.errors import InvalidParameter
from qbrix.simulator.metrics import Trace

__all__ = ["read_archive", "trace_from", "trace_tables", "write_archive"]

Tables = dict[str, NDArray[Any]]

_HEADER = "header"
_TABLES = ("regret", "realised", "reward", "best", "pulls")
_NUMBERS = ("seconds_per_decision", "state_bytes")


def write_archive(path: Path, header: Mapping[str, Any], tables: Mapping[str, Any]) -> None:
    """Write beside the place, to disk, and move into place: readers see all or nothing."""
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    content = io.BytesIO()
    named: dict[str, Any] = {_HEADER: np.frombuffer(text, dtype=np.uint8), **tables}
    np.savez(content, **named)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    with draft.open("wb") as file:
        file.write(content.getvalue())
        file.flush()
        os.fsync(file.fileno())
    try:
        draft.replace(path)
    except FileNotFoundError:
        if not path.exists():  # else another process was first, and swept our draft away
            raise
    for left_behind in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(FileNotFoundError):
            left_behind.unlink()


def read_archive(path: Path, *, remedy: str) -> tuple[dict[str, Any], Tables]:
    """Header and arrays; raises `InvalidParameter` for what is no such file, with a way out."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            tables = {name: archive[name] for name in archive.files}
        header = json.loads(tables.pop(_HEADER).tobytes())
    except (BadZipFile, ValueError, KeyError, EOFError) as error:
        raise InvalidParameter(
            f"{path} is damaged or was not written by qbrix; {remedy}"
        ) from error
    return header, tables


def trace_tables(trace: Trace, *, prefix: str = "") -> Tables:
    """A trace as named arrays."""
    numbers = [getattr(trace, name) for name in _NUMBERS]
    tables = {f"{prefix}{name}": getattr(trace, name) for name in _TABLES}
    return {**tables, f"{prefix}numbers": np.array(numbers, dtype=np.float64)}


def trace_from(tables: Mapping[str, NDArray[Any]], *, prefix: str = "") -> Trace:
    """The trace that `trace_tables` took apart."""
    found: dict[str, Any] = {name: tables[f"{prefix}{name}"] for name in _TABLES}
    numbers = tables[f"{prefix}numbers"].tolist()
    return Trace(**found, **dict(zip(_NUMBERS, numbers, strict=True)))
