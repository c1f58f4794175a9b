"""The archive: every tool can read it, and nothing but itself can pass for it."""

from __future__ import annotations

import io
import zipfile

import pytest

from qbrix.bundle.archive import pack, unpack
from qbrix.errors import BundleError

MEMBERS = {"b.bin": bytes(range(256)), "a.json": b"{}", "empty": b""}


def test_any_unzip_tool_reads_what_was_packed() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(MEMBERS))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.json", "b.bin", "empty"]
        assert {name: archive.read(name) for name in archive.namelist()} == MEMBERS


def test_equal_members_make_equal_bytes_in_any_order() -> None:
    assert pack(MEMBERS) == pack(dict(reversed(MEMBERS.items())))


def test_unpack_reads_pack() -> None:
    assert unpack(pack(MEMBERS)) == MEMBERS


def test_any_changed_byte_is_refused_or_changes_a_member() -> None:
    data = pack(MEMBERS)
    for place in range(len(data)):
        broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(BundleError) as refused:
            unpack(broken)
        assert refused.value.reason == "format"


def test_any_truncation_is_refused() -> None:
    data = pack(MEMBERS)
    for size in range(len(data)):
        with pytest.raises(BundleError):
            unpack(data[:size])


@pytest.mark.parametrize("extra", [b"\0", b"PK\x05\x06" + bytes(18), pack({"c": b""})])
def test_appended_and_prepended_bytes_are_refused(extra: bytes) -> None:
    for data in (pack(MEMBERS) + extra, extra + pack(MEMBERS)):
        with pytest.raises(BundleError):
            unpack(data)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/b", "a\\b", "C:", "", "line\nfeed"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(BundleError):
        unpack(pack({name: b"x"}))


def test_compressed_and_commented_archives_are_refused() -> None:
    for method, comment in ((zipfile.ZIP_DEFLATED, b""), (zipfile.ZIP_STORED, b"hello")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            archive.writestr("bomb", bytes(10_000))
            archive.comment = comment
        with pytest.raises(BundleError):
            unpack(stream.getvalue())


def test_two_members_of_one_name_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"second")
    with pytest.raises(BundleError):
        unpack(stream.getvalue())
