"""Decision tokens: the wire's opaque ``request_id``, sealed so that nobody can make or read one.

Byte layout, format 1 (big-endian), as url-safe base64 without padding::

    clear   B format | 4s key id | H day | 12s nonce
    sealed  16s tenant | 16s experiment | 16s decision | I epoch | Q version | Q decided_ms
            I arm | d u | d low | d propensity | B gate | H r | H d | r × d recorded | d × d context

The cipher is AES-256-GCM. Its key is derived from the secret and the day (since the Unix epoch),
so that a key never seals as many tokens as random nonces allow (2³²), and a day outside the
lifetime is refused before any work.
"""

from __future__ import annotations

import binascii
import hashlib
import struct
import time
from collections.abc import Callable, Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from qbrix.errors import TokenRejected
from serving.entropy import Entropy

__all__ = ["LIFETIME_S", "DecisionToken", "TokenSealer"]

LIFETIME_S = 30 * 86_400.0

_FORMAT = 1
_DAY_MS = 86_400_000
_CLEAR = struct.Struct(">B4sH12s")
_BODY = struct.Struct(">48sIQQIdddBHH")
_TAG_BYTES = 16
_AAD_BYTES = 7
_LONGEST = 64 * 1024


class DecisionToken(msgspec.Struct, frozen=True, gc=False):
    """All that is known about a decision when its feedback comes; ``context`` is raw float64."""

    tenant: str
    experiment: str
    decision_id: str
    epoch: int
    version: int
    decided_ms: int
    arm: int
    u: float
    low: float
    propensity: float
    gate: bool = False
    recorded: tuple[float, ...] = ()
    context: bytes = b""


class TokenSealer:
    """Seals with the first key, opens with any of them; a key is 32 secret bytes."""

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        lifetime_s: float = LIFETIME_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = {hashlib.sha256(b"qbrix token key" + key).digest()[:4]: key for key in keys}
        self._key_id = next(iter(self._secrets))
        self._lifetime_ms = round(lifetime_s * 1000)
        self._clock = clock
        self._entropy = Entropy()
        self._ciphers: dict[tuple[bytes, int], AESGCM] = {}
        self._today = self._begun(int(clock() * 1000) // _DAY_MS)

    def __repr__(self) -> str:
        return f"TokenSealer({len(self._secrets)} keys)"

    def seal(self, token: DecisionToken) -> str:
        """The opaque text that goes out as ``request_id``."""
        day, begins, cipher = self._today
        if day != token.decided_ms // _DAY_MS:
            day, begins, cipher = self._today = self._begun(token.decided_ms // _DAY_MS)
        nonce = self._entropy.take(12)
        return _encode(begins + nonce + cipher.encrypt(nonce, _pack(token), begins))

    def open(self, text: str, *, tenant: str) -> DecisionToken:
        """The token, if it is ours, of this tenant and not too old; raises TokenRejected."""
        raw = _decode(text)
        form, key_id, day, nonce = _CLEAR.unpack_from(raw)
        if form != _FORMAT or key_id not in self._secrets:
            raise _forged()
        now_ms = self._clock() * 1000
        if not -1 <= now_ms // _DAY_MS - day <= self._lifetime_ms // _DAY_MS + 1:
            raise _expired()
        try:
            body = self._cipher(key_id, day).decrypt(nonce, raw[_CLEAR.size :], raw[:_AAD_BYTES])
        except InvalidTag:
            raise _forged() from None
        token = _unpack(body)
        if token.tenant != tenant:
            raise TokenRejected(
                "tenant", "the request_id belongs to another workspace; use the key that selected"
            )
        if now_ms - token.decided_ms > self._lifetime_ms:
            raise _expired()
        return token

    def _begun(self, day: int) -> tuple[int, bytes, AESGCM]:
        """What is the same in all tokens of a day: what they begin with, and the cipher."""
        begins = _CLEAR.pack(_FORMAT, self._key_id, day, b"")[:_AAD_BYTES]
        return day, begins, self._cipher(self._key_id, day)

    def _cipher(self, key_id: bytes, day: int) -> AESGCM:
        cipher = self._ciphers.get((key_id, day))
        if cipher is None:
            label = b"qbrix token day %d" % day
            derived = hashlib.blake2b(label, key=self._secrets[key_id], digest_size=32).digest()
            cipher = self._ciphers[key_id, day] = AESGCM(derived)
        return cipher


def _pack(token: DecisionToken) -> bytes:
    body = _BODY.pack(
        bytes.fromhex(token.tenant + token.experiment + token.decision_id),
        token.epoch,
        token.version,
        token.decided_ms,
        token.arm,
        token.u,
        token.low,
        token.propensity,
        token.gate,
        len(token.recorded),
        len(token.context) // 8,
    )
    if token.recorded:
        body += struct.pack(f">{len(token.recorded)}d", *token.recorded)
    return body + token.context


def _unpack(body: bytes) -> DecisionToken:
    ids, *numbers, n_recorded, _ = _BODY.unpack_from(body)
    named = ids.hex()
    epoch, version, decided_ms, arm, u, low, propensity, gate = numbers
    end = _BODY.size + 8 * n_recorded
    return DecisionToken(
        named[:32],
        named[32:64],
        named[64:],
        epoch,
        version,
        decided_ms,
        arm,
        u,
        low,
        propensity,
        bool(gate),
        struct.unpack_from(f">{n_recorded}d", body, _BODY.size),
        body[end:],
    )


# Standard ↔ url-safe alphabet; on the way in, `+` and `/` become characters of neither.
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_TO_STANDARD = bytes.maketrans(b"-_+/", b"+/!!")


def _encode(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL_SAFE, b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """Strict base64: one text per token, so that no changed character is overlooked."""
    if len(text) > _LONGEST:
        raise _forged()
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        raw = binascii.a2b_base64(padded.translate(_TO_STANDARD), strict_mode=True)
    except ValueError:
        raise _forged() from None
    if len(raw) < _CLEAR.size + _BODY.size + _TAG_BYTES or not _canonical(text, raw):
        raise _forged()
    return raw


def _canonical(text: str, raw: bytes) -> bool:
    """The unused low bits of the last character are zero."""
    return _encode(raw[-(len(raw) % 3 or 3) :])[-1] == text[-1]


def _forged() -> TokenRejected:
    return TokenRejected(
        "forged", "the request_id is not one of ours; send it back exactly as select answered it"
    )


def _expired() -> TokenRejected:
    return TokenRejected(
        "expired", "token expired: the request_id is too old; select again and send feedback sooner"
    )
