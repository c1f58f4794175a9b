"""A zip with exactly one byte form for each set of members: stored, sorted, without times.

Any unzip tool reads it. We read it more strictly than any tool: what `pack` would not have written
is refused, and with it hidden members, absolute names, comments, compression and whatever else
lets two readers see two different files in one archive.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from qbrix.errors import BundleError

__all__ = ["MAX_ARCHIVE_BYTES", "pack", "unpack", "write_whole"]

MAX_ARCHIVE_BYTES = 256 * 2**20

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_UNIX = 3 << 8
_MIDNIGHT_1980 = (0, 0x21)  # the earliest time and date that a zip can name
_MODE_0644 = 0o100644 << 16


def pack(members: Mapping[str, bytes]) -> bytes:
    """The archive of ``members``: name (ASCII, without directories) → content."""
    local: list[bytes] = []
    central: list[bytes] = []
    offset = 0
    for name, content in sorted(members.items()):
        word = name.encode("ascii")
        what = (
            0,
            0,
            *_MIDNIGHT_1980,
            zlib.crc32(content),
            len(content),
            len(content),
            len(word),
            0,
        )
        entry = _LOCAL.pack(b"PK\x03\x04", _VERSION, *what) + word + content
        place = (0, 0, 0, _MODE_0644, offset)
        central.append(
            _CENTRAL.pack(b"PK\x01\x02", _UNIX | _VERSION, _VERSION, *what, *place) + word
        )
        local.append(entry)
        offset += len(entry)
    directory = b"".join(central)
    count = len(central)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0)
    return b"".join([*local, directory, end])


def unpack(data: bytes, *, limit_bytes: int = MAX_ARCHIVE_BYTES) -> dict[str, bytes]:
    """Read `pack`; raises `BundleError` (``format``) for every other sequence of bytes."""
    if len(data) > limit_bytes:
        raise BundleError(
            "format", f"the file has {len(data)} bytes, at most {limit_bytes} are read"
        )
    members: dict[str, bytes] = {}
    offset = 0
    while data[offset : offset + 4] == b"PK\x03\x04" and offset + _LOCAL.size <= len(data):
        *_, size, _, name_size, _ = _LOCAL.unpack_from(data, offset)
        start = offset + _LOCAL.size + name_size
        name = data[start - name_size : start].decode("ascii", errors="replace")
        if not _is_plain(name) or name in members:
            raise BundleError("format", f"the archive holds the member {name!r}, which is no name")
        members[name] = data[start : start + size]
        offset = start + size
    if not members or pack(members) != data:
        raise BundleError(
            "format",
            "this is not a bundle that qbrix wrote, or it was cut or changed on the way; "
            "export or download it again (saved races are for qbrix.simulator.load_result)",
        )
    return members


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that appears whole or not at all, also when the process dies on the way."""
    file = Path(path)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _is_plain(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable() and not set(name) & set('/\\:"')
