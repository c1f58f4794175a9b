"""Ed25519 keys that vouch for bundles, and the public keys that a server trusts.

Both live in small text files that begin with their format: a private key is readable by its owner
only, public keys are meant to be copied around.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from qbrix.checks import check_path
from qbrix.errors import BundleError, InvalidParameter

__all__ = ["SigningKey", "Trusted", "TrustedKeys", "key_id"]

Trusted: TypeAlias = "TrustedKeys | Iterable[bytes]"

_PRIVATE_HEADER = "qbrix-signing-key 1"
_PUBLIC_HEADER = "qbrix-public-keys 1"


def key_id(public: bytes) -> str:
    """Short name of a public key: 16 hex characters of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


class SigningKey:
    """A private key; its repr shows the public part only.

    Parameters
    ----------
    private : bytes
        32 bytes.
    """

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SigningKey:
        """Read `load_or_create`'s file; refuses one that others can read."""
        file = check_path(path, name="key", example="secrets/signing_key")
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise InvalidParameter(
                f"the signing key {file} has mode {mode:04o}, expected 0600; "
                f"chmod 600 {file}, or make a new one if others have read it"
            )
        lines = file.read_text("ascii", errors="replace").split("\n")
        if len(lines) < 2 or lines[0] != _PRIVATE_HEADER:
            raise InvalidParameter(f"{file} is no signing key, expected {_PRIVATE_HEADER!r} on top")
        return cls(_hex32(lines[1], what=f"{file}, line 2"))

    @classmethod
    def load_or_create(cls, path: str | os.PathLike[str]) -> SigningKey:
        """The key in the file at ``path``, made (mode 0600) when there is none.

        Processes that start together end with the same key: the file appears whole or not at all,
        and who comes second reads what the first one wrote.
        """
        file = check_path(path, name="key", example="secrets/signing_key")
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            text = f"{_PRIVATE_HEADER}\n{secrets.token_hex(32)}\n"
            _publish_once(file, text.encode("ascii"))
        return cls.load(file)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """Short name of the public key, 16 hex characters."""
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of ``message``, 64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(key_id={self.key_id!r})"


class TrustedKeys(Mapping[str, bytes]):
    """Public keys by their id; immutable.

    Parameters
    ----------
    keys : iterable of bytes
        Public keys of 32 bytes.
    """

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._keys = {key_id(key): bytes(key) for key in keys}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrustedKeys:
        """Read one file of public keys, or every ``*.pub`` file of a directory."""
        place = Path(path)
        if not place.exists():
            raise InvalidParameter(
                f"no trusted keys at {place}; expected a file that TrustedKeys.save wrote, "
                "or a directory of such files named *.pub"
            )
        files = sorted(place.glob("*.pub")) if place.is_dir() else [place]
        return cls(key for file in files for key in _read_public(file))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all keys into one file that `load` reads."""
        lines = [_PUBLIC_HEADER, *(key.hex() for key in self._keys.values())]
        Path(path).write_text("\n".join(lines) + "\n", "ascii")

    def verify(self, message: bytes, signature: bytes, *, signed_by: str) -> None:
        """Raise `BundleError` unless the trusted key ``signed_by`` signed ``message``."""
        public = self._keys.get(signed_by)
        if public is None:
            known = ", ".join(self._keys) or "none"
            raise BundleError(
                "untrusted",
                f"the bundle is signed by the key {signed_by}, trusted keys are: {known}; "
                "add its public key to the trusted ones, or sign with a trusted key",
            )
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            raise BundleError(
                "signature",
                f"the signature by the key {signed_by} does not belong to this bundle; "
                "the manifest was changed after signing, or the signature is another bundle's",
            ) from None

    def __getitem__(self, identifier: str) -> bytes:
        return self._keys[identifier]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"TrustedKeys({', '.join(self._keys)})"


def _publish_once(file: Path, content: bytes) -> None:
    """Make ``file`` with ``content`` and mode 0600 unless it exists; never visible half-written."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            file.hardlink_to(draft)
        except FileExistsError:
            return  # another process was first; its key counts
    finally:
        draft.unlink()


def _read_public(file: Path) -> Iterator[bytes]:
    lines = file.read_text("utf-8", errors="replace").splitlines()
    if not lines or lines[0] != _PUBLIC_HEADER:
        raise InvalidParameter(f"{file} holds no public keys, expected {_PUBLIC_HEADER!r} on top")
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            yield _hex32(line.strip(), what=f"{file}, line {number}")


def _hex32(text: str, *, what: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise InvalidParameter(f"{what}: expected a key of 64 hex characters")
    return key
