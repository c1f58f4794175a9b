"""Rows in Postgres' binary form, against bytes written by hand from its manual."""

from __future__ import annotations

import struct

import numpy as np

from serving.storage.postgres.copying import fixed, rows_of, uuids


def test_a_row_has_its_fields_in_order_each_behind_its_size() -> None:
    made = rows_of(
        [b"ab", 7, np.array([3], dtype=np.int32), np.array([0.5]), None, b""],
        count=1,
    )
    expected = (
        struct.pack(">h", 6)
        + struct.pack(">i", 2)
        + b"ab"
        + struct.pack(">iq", 8, 7)
        + struct.pack(">ii", 4, 3)
        + struct.pack(">id", 8, 0.5)
        + struct.pack(">i", -1)
        + struct.pack(">i", 0)
    )
    assert made == expected


def test_rows_stand_one_behind_the_other() -> None:
    words = ["00" * 15 + "01", "ff" * 16]
    texts = fixed([b"\xc3\xa9x", b"yyy"], size=3)
    made = rows_of([uuids(words), texts, np.array([-1, 2**62])], count=2)
    one = (
        struct.pack(">hi", 3, 16)
        + bytes.fromhex(words[0])
        + struct.pack(">i", 3)
        + b"\xc3\xa9x"
        + struct.pack(">iq", 8, -1)
    )
    two = (
        struct.pack(">hi", 3, 16)
        + bytes.fromhex(words[1])
        + struct.pack(">i", 3)
        + b"yyy"
        + struct.pack(">iq", 8, 2**62)
    )
    assert made == one + two


def test_numbers_keep_their_bits() -> None:
    """Minus zero, the smallest number, infinity, and a NaN that carries something."""
    words = np.array([1 << 63, 1, 0x7FF0 << 48, 0x7FF8_0000_0000_0042], dtype=np.uint64)
    made = rows_of([words.view(np.float64)], count=4)
    stride = 2 + 4 + 8
    assert [
        struct.unpack_from(">Q", made, index * stride + 6)[0] for index in range(4)
    ] == words.tolist()
