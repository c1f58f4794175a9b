"""Arrays under names in one byte form: magic word, JSON header, raw little-endian numbers."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbrix.errors import BundleError

__all__ = ["read_columns", "write_columns"]

_KINDS = {"<f8": np.float64, "<i8": np.int64, "|u1": np.uint8}


def write_columns(
    magic: bytes, header: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]
) -> bytes:
    """``magic`` ends with the version of the format; ``columns`` are float64, int64 or uint8."""
    little = {
        name: np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        for name, values in columns.items()
    }
    described = [[name, a.dtype.str, list(a.shape)] for name, a in little.items()]
    text = json.dumps({**header, "columns": described}, separators=(",", ":")).encode()
    parts = [values.tobytes() for values in little.values()]
    return b"".join([magic, struct.pack("<I", len(text)), text, *parts])


def read_columns(
    magic: bytes, data: bytes, *, what: str
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and columns of `write_columns`; raises `BundleError` (``format``) naming ``what``."""
    start = len(magic) + 4
    if data[: len(magic)] != magic or len(data) < start:
        raise BundleError("format", f"{what} does not begin with {magic!r}")
    body = start + struct.unpack_from("<I", data, len(magic))[0]
    try:
        header = json.loads(data[start:body])
        described = header.pop("columns")
        columns = {}
        for name, kind, shape in described:
            count = math.prod(int(size) for size in shape)
            flat = np.frombuffer(data, dtype=kind, count=count, offset=body)
            columns[name] = flat.reshape(shape).astype(_KINDS[kind])
            body += flat.nbytes
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        raise BundleError("format", f"{what} is damaged: its columns cannot be read") from None
    if body != len(data):
        raise BundleError("format", f"{what} has {len(data)} bytes, its header announces {body}")
    return header, columns
