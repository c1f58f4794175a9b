"""Rows for COPY in Postgres' binary form, made of whole columns.

The form: a header; for each row the number of its fields and, for each field, its size (−1 for
NULL) and its bytes, numbers with the highest byte first; at the end −1 in place of a number of
fields (PostgreSQL manual, COPY, "Binary Format"). Rows whose fields have equal sizes are one array.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serving.storage.postgres.database import Connection

__all__ = ["Field", "copy_rows", "fixed", "rows_of", "uuids"]

Field: TypeAlias = NDArray[Any] | bytes | int | None
"""A column: its values, or the text, bigint or NULL that stands in every row."""

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"


def rows_of(fields: Sequence[Field], *, count: int) -> bytes:
    """``count`` rows; arrays hold bigints (int64), integers (int32), doubles, or raw bytes (V)."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    columns = [_column(field) for field in fields]
    for index, (size, kind, _) in enumerate(columns):
        layout.append((f"size{index}", ">i4"))
        if size > 0:
            layout.append((f"value{index}", kind))
    rows = np.empty(count, dtype=layout)
    rows["fields"] = len(fields)
    for index, (size, _, values) in enumerate(columns):
        rows[f"size{index}"] = size
        if size > 0:
            rows[f"value{index}"] = values
    return rows.tobytes()


def uuids(words: Sequence[str]) -> NDArray[Any]:
    """Raw bytes of ids of 32 hex characters."""
    return np.frombuffer(bytes.fromhex("".join(words)), dtype="V16")


def fixed(texts: Sequence[bytes], *, size: int) -> Field:
    """A column of texts that are all of ``size`` bytes."""
    return np.frombuffer(b"".join(texts), dtype=f"V{size}") if size else b""


async def copy_rows(
    connection: Connection,
    table: str,
    rows: Iterable[bytes],
    *,
    columns: Sequence[str],
    sent: Callable[[], None],
) -> None:
    """Put rows made by `rows_of` into a table; after ``sent`` only the server has to work."""

    async def source() -> AsyncIterator[bytes]:
        yield _HEADER
        for some in rows:
            yield some
        yield _TRAILER
        sent()

    await connection.copy_to_table(table, source=source(), columns=columns, format="binary")


def _column(field: Field) -> tuple[int, str, Any]:
    """Size of a value (−1 for NULL), its type in a row, the values."""
    if field is None:
        return -1, "", None
    if isinstance(field, int):
        return 8, ">i8", field
    if isinstance(field, bytes):
        return len(field), f"V{len(field)}", np.void(field) if field else None
    size, kind = field.dtype.itemsize, field.dtype.kind
    return size, f"V{size}" if kind == "V" else f">{kind}{size}", field
