"""A bundle read back: whole and unchanged, or refused with the reason; never run by reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qbrix
from qbrix.bundle import Bundle, SigningKey, TrustedKeys
from qbrix.bundle.archive import pack
from qbrix.bundle.manifest import Manifest, member_of
from qbrix.bundle.signing import key_id
from qbrix.errors import BundleError

NOISE = np.random.default_rng(1)


def repacked(bundle: Bundle, **members: bytes | None) -> bytes:
    """The bundle's bytes with members replaced (``policy_py=…``), added, or left out (None)."""
    changes = {name[::-1].replace("_", ".", 1)[::-1]: content for name, content in members.items()}
    kept = {**bundle.members, **changes}
    return pack({name: content for name, content in kept.items() if content is not None})


def with_manifest(bundle: Bundle, changes: Mapping[str, Any], **members: bytes) -> bytes:
    """The bundle with fields of its manifest set by path, and digests that fit its members."""
    tree = json.loads(bundle.members["manifest.json"])
    for name, content in members.items():
        member = member_of(content)
        tree["members"][name.replace("_", ".", 1)] = {
            "size_bytes": member.size_bytes,
            "sha256": member.sha256,
        }
    for path, value in changes.items():
        *above, last = path.split(".")
        place = tree
        for name in above:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return repacked(bundle, manifest_json=json.dumps(tree).encode(), **members)


def reason_of(data: bytes) -> tuple[str, str]:
    """Reason and message with which the bytes are refused."""
    with pytest.raises(BundleError) as refused:
        Bundle.from_bytes(data)
    return refused.value.reason, str(refused.value)


def test_a_bundle_read_back_is_the_one_that_was_written(shares: Bundle, tmp_path: Path) -> None:
    shares.save(tmp_path / "copy.qbrix")
    again = qbrix.load(tmp_path / "copy.qbrix")
    assert again == shares
    assert again.manifest == shares.manifest
    assert again.arms == ("red", "green", "blue")
    assert again.policy().parameters() == {"bonus": 1.0}
    assert [item.name for item in tmp_path.iterdir()] == ["copy.qbrix"]


def test_the_format_comes_first_in_the_manifest(shares: Bundle) -> None:
    assert shares.members["manifest.json"].startswith(b'{\n "format": 1,')
    assert Manifest.from_bytes(shares.manifest.to_bytes()) == shares.manifest


def test_no_changed_byte_passes(shares: Bundle) -> None:
    for place in NOISE.integers(len(shares.data), size=200):
        data = bytearray(shares.data)
        data[place] ^= 1 << int(NOISE.integers(8))
        assert reason_of(bytes(data))[0] in ("format", "digest")


def test_no_truncated_file_passes(shares: Bundle) -> None:
    for size in NOISE.integers(len(shares.data), size=50):
        assert reason_of(shares.data[:size])[0] == "format"


@pytest.mark.parametrize("member", ["policy_py", "trace_bin"])
def test_a_changed_member_is_refused_by_name(shares: Bundle, member: str) -> None:
    reason, message = reason_of(repacked(shares, **{member: b"import os\n"}))
    assert reason == "digest"
    assert message.startswith(member.replace("_", ".") + " has the SHA-256")


@pytest.mark.parametrize("member", ["manifest_json", "policy_py", "trace_bin"])
def test_a_missing_member_is_refused(shares: Bundle, member: str) -> None:
    assert reason_of(repacked(shares, **{member: None}))[0] == "format"


def test_an_extra_member_is_refused(shares: Bundle) -> None:
    reason, message = reason_of(repacked(shares, extra_py=b"print('hello')"))
    assert reason == "format"
    assert "extra.py" in message


def test_an_extra_member_in_the_manifest_is_refused(shares: Bundle) -> None:
    assert reason_of(with_manifest(shares, {}, extra_py=b"1"))[0] == "format"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("n_arms", None),
        ("n_arms", 0),
        ("n_arms", 3.0),
        ("n_arms", True),
        ("n_arms", "3"),
        ("dim", 2),
        ("arms", ["red", "green"]),
        ("arms", ["red", "red", "blue"]),
        ("arms", "red"),
        ("features", ["height"]),
        ("policy.version", "1"),
        ("policy.name", "no name"),
        ("policy.capabilities.bits", "rough"),
        ("policy.capabilities.recorded", None),
        ("policy.colour", "red"),
        ("policy.library", {"distribution": "numpy"}),
        ("trace.starts_from", "thin air"),
        ("provenance.versions", ["3.11"]),
        ("provenance.seed", None),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(shares: Bundle, path: str, value: object) -> None:
    reason, message = reason_of(with_manifest(shares, {path: value}))
    assert reason == "format"
    assert f" {path} is " in message or path == "policy.library"


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"null", b"{", b'{"format": 2}', b'{"format": NaN}', b"[" * 100_000]
)
def test_what_is_no_manifest_of_this_format_is_refused(shares: Bundle, manifest: bytes) -> None:
    assert reason_of(repacked(shares, manifest_json=manifest))[0] == "format"


@pytest.mark.parametrize("path", ["steps", "updates", "rows", "final_digest"])
def test_a_manifest_that_misdescribes_its_trace_is_refused(shares: Bundle, path: str) -> None:
    wrong: Any = "0" * 64 if path == "final_digest" else 1
    bundle = Bundle.from_bytes(with_manifest(shares, {f"trace.{path}": wrong}))
    with pytest.raises(BundleError, match=rf"trace\.bin: {path} is"):
        bundle.trace()


def test_reading_runs_no_code(shares: Bundle) -> None:
    bomb = b"raise RuntimeError('ran')"
    bundle = Bundle.from_bytes(with_manifest(shares, {}, policy_py=bomb))
    with pytest.raises(BundleError, match=r"loading .* raises RuntimeError: ran") as refused:
        bundle.policy()
    assert refused.value.reason == "source"


def test_signed_by_a_trusted_key_passes_and_nothing_else_does(shares: Bundle) -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signed = shares.sign(key)
    assert signed.signed_by == key.key_id
    assert signed.sha256 != shares.sha256
    assert signed.check_signature(TrustedKeys([other.public, key.public])) == key.key_id
    assert Bundle.from_bytes(signed.data).check_signature([key.public]) == key.key_id
    for bundle, trusted, reason in (
        (shares, [key.public], "unsigned"),
        (signed, [other.public], "untrusted"),
        (signed, [], "untrusted"),
    ):
        with pytest.raises(BundleError) as refused:
            bundle.check_signature(trusted)
        assert refused.value.reason == reason


def test_the_signature_of_another_bundle_by_the_same_key_does_not_pass(shares: Bundle) -> None:
    key = SigningKey.generate()
    changed = Bundle.from_bytes(with_manifest(shares, {"provenance.seed": 8}))
    swapped = repacked(changed, signature_json=shares.sign(key).members["signature.json"])
    with pytest.raises(BundleError) as refused:
        Bundle.from_bytes(swapped).check_signature([key.public])
    assert refused.value.reason == "signature"


@pytest.mark.parametrize(
    "signature",
    [b"", b"{}", b"[]", b'{"format": 1, "algorithm": "none", "key_id": "", "signature": ""}'],
)
def test_a_damaged_signature_is_refused(shares: Bundle, signature: bytes) -> None:
    assert reason_of(repacked(shares, signature_json=signature))[0] == "signature"


def test_signing_again_replaces_the_signature(shares: Bundle, tmp_path: Path) -> None:
    first, second = SigningKey.generate(), SigningKey.generate()
    twice = shares.sign(first).sign(second, tmp_path / "signed.qbrix")
    assert twice == shares.sign(second)
    assert qbrix.load(tmp_path / "signed.qbrix").signed_by == second.key_id


def test_the_repr_tells_what_it_is_and_the_html_escapes_names(shares: Bundle) -> None:
    assert "Shares@1(bonus=1.0)" in repr(shares)
    assert "signed by: nobody" in repr(shares)
    odd = Bundle.from_bytes(with_manifest(shares, {"policy.parameters": {"<b>": 1}}))
    assert "<b>" not in odd._repr_html_()


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.qbrix"
    with path.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(BundleError, match="larger than a bundle may be"):
        qbrix.load(path)


def test_a_bundle_of_format_1_is_still_read_and_replayed() -> None:
    # Written by the first version of the format: Shares(bonus=2) with a state, signed by the
    # private key of RFC 8032, section 7.1, test 1.
    bundle = qbrix.load(Path(__file__).parent / "data" / "format_1.qbrix")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    state = bundle.state()
    assert state is not None
    assert state.paid.tolist() == [3.0, 5.0, 0.0]  # type: ignore[attr-defined]
    assert bundle.policy().parameters() == {"bonus": 2.0}
    assert bundle.check_signature([public]) == key_id(public)
    assert bundle.verify().max_propensity_error <= 1e-10
