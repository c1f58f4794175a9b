"""Keys: Ed25519 as RFC 8032 has it, in files that only their owner reads."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from qbrix.bundle import SigningKey, TrustedKeys
from qbrix.errors import BundleError, InvalidParameter

# RFC 8032, section 7.1, test 1: the empty message.
PRIVATE = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
SIGNATURE = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
    "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def test_signatures_are_those_of_rfc_8032() -> None:
    key = SigningKey(bytes.fromhex(PRIVATE))
    assert key.public.hex() == PUBLIC
    assert key.sign(b"").hex() == SIGNATURE


def test_the_key_id_is_the_beginning_of_the_public_keys_sha256() -> None:
    key = SigningKey(bytes.fromhex(PRIVATE))
    assert key.key_id == hashlib.sha256(bytes.fromhex(PUBLIC)).hexdigest()[:16]


def test_the_repr_hides_the_private_key() -> None:
    assert PRIVATE not in repr(SigningKey(bytes.fromhex(PRIVATE)))


def test_a_created_key_is_loaded_again_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.key"
    key = SigningKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load_or_create(path).public == key.public
    assert [item.name for item in path.parent.iterdir()] == ["signing.key"]


def test_who_creates_a_key_at_the_same_time_gets_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    together = threading.Barrier(8)
    seen: list[str] = []

    def create() -> None:
        together.wait()
        seen.append(SigningKey.load_or_create(path).key_id)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    SigningKey.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(InvalidParameter, match="mode 0640, expected 0600"):
        SigningKey.load(path)


@pytest.mark.parametrize(
    "text", ["", "qbrix-signing-key 1\n", "qbrix-signing-key 1\nabc\n", f"{PRIVATE}\n", "\xff\n"]
)
def test_a_damaged_key_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "signing.key"
    path.write_text(text, "latin-1")
    path.chmod(0o600)
    with pytest.raises(InvalidParameter, match=r"signing\.key"):
        SigningKey.load(path)


def test_trusted_keys_come_from_a_file_or_from_the_pub_files_of_a_directory(tmp_path: Path) -> None:
    first, second = SigningKey.generate(), SigningKey.generate()
    TrustedKeys([first.public]).save(tmp_path / "first.pub")
    TrustedKeys([second.public]).save(tmp_path / "second.pub")
    (tmp_path / "notes.txt").write_text("not a key")
    assert set(TrustedKeys.load(tmp_path)) == {first.key_id, second.key_id}
    assert dict(TrustedKeys.load(tmp_path / "first.pub")) == {first.key_id: first.public}


def test_a_damaged_public_key_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "keys.pub"
    path.write_text(f"qbrix-public-keys 1\n{PUBLIC}\nbeef\n")
    with pytest.raises(InvalidParameter, match=r"keys\.pub, line 3"):
        TrustedKeys.load(path)
    with pytest.raises(InvalidParameter, match="no trusted keys at"):
        TrustedKeys.load(tmp_path / "nowhere")


def test_a_signature_is_good_for_its_message_and_key_only() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    trusted = TrustedKeys([key.public])
    trusted.verify(b"message", key.sign(b"message"), signed_by=key.key_id)
    with pytest.raises(BundleError) as refused:
        trusted.verify(b"massage", key.sign(b"message"), signed_by=key.key_id)
    assert refused.value.reason == "signature"
    with pytest.raises(BundleError) as refused:
        trusted.verify(b"message", other.sign(b"message"), signed_by=key.key_id)
    assert refused.value.reason == "signature"
    with pytest.raises(BundleError) as refused:
        trusted.verify(b"message", other.sign(b"message"), signed_by=other.key_id)
    assert refused.value.reason == "untrusted"
