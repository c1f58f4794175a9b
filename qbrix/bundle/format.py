"""A bundle: one file that holds a policy, perhaps what it learned, and the proof that it runs.

======================  ==========================================================
``manifest.json``       what the bundle is, with the digests of the other files
``policy.py``           the user's own source; absent for a library policy
``state.bin``           `qbrix.state.to_bytes`; absent for a policy that starts anew
``trace.bin``           the golden trace
``signature.json``      Ed25519 over the bytes of the manifest; absent in a draft
======================  ==========================================================

Reading a bundle checks all of it and runs none of it: the policy's code runs when `Bundle.policy`
or `Bundle.verify` is called, and not before.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from qbrix.bundle.archive import MAX_ARCHIVE_BYTES, pack, unpack, write_whole
from qbrix.bundle.html import facts_table
from qbrix.bundle.making import library_class, make_policy
from qbrix.bundle.manifest import Manifest, Promises, member_of
from qbrix.bundle.signing import SigningKey, Trusted, TrustedKeys
from qbrix.bundle.source import load_class
from qbrix.bundle.trace import Trace
from qbrix.bundle.verify import Certificate, verify
from qbrix.checks import check_path
from qbrix.errors import BundleError, InvalidParameter
from qbrix.policies.base import Policy
from qbrix.state import State, from_bytes, leading_shape, resolve_sizes

__all__ = ["Bundle", "load"]

MANIFEST, POLICY, STATE, TRACE, SIGNATURE = (
    "manifest.json",
    "policy.py",
    "state.bin",
    "trace.bin",
    "signature.json",
)


class Bundle:
    """An immutable bundle; made by `export`, `load` and `from_bytes`.

    Attributes
    ----------
    data : bytes
        The file.
    sha256 : str
        SHA-256 of ``data``: the bundle's name in serving.
    manifest : Manifest
    members : Mapping[str, bytes]
    signed_by : str or None
        Key id that the signature names; `check_signature` tells whether it is true.
    """

    def __init__(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise InvalidParameter(
                f"data is {type(data).__name__}, expected the bytes of a bundle; "
                "qbrix.load reads a file"
            )
        members = unpack(data)
        if MANIFEST not in members:
            raise BundleError("format", f"the archive has no {MANIFEST}, so it is no bundle")
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.manifest = Manifest.from_bytes(members[MANIFEST])
        self.members: Mapping[str, bytes] = MappingProxyType(members)
        _check_members(members, self.manifest)
        self.signed_by, self._signature = _read_signature(members.get(SIGNATURE))

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Read and check the bytes of a bundle without running its code.

        Raises
        ------
        BundleError
            ``format`` for what is not a bundle, ``digest`` for a file that was changed.
        """
        return cls(data)

    @property
    def arms(self) -> tuple[str, ...] | None:
        """Names of the arms by index, when they were given."""
        return self.manifest.arms

    def policy_class(self) -> type[Policy[Any, Any]]:
        """The policy's class; this runs ``policy.py`` at the first call.

        Raises
        ------
        BundleError
            ``source`` when the code cannot be loaded or is not what the manifest says.
        """
        entry = self.manifest.policy
        if entry.library is not None:
            found = library_class(entry.id)
        else:
            file_name = self.manifest.provenance.source_file or POLICY
            found = load_class(self.members[POLICY], name=entry.name, file_name=file_name)
        promises = Promises.of(make_policy(found, entry.parameters).capabilities)
        if found.identifier() != entry.id or promises != entry.capabilities:
            raise BundleError(
                "source",
                f"the manifest describes {entry.id} with {entry.capabilities}, "
                f"the code is {found.identifier()} with {promises}",
            )
        return found

    def policy(self) -> Policy[Any, Any]:
        """The policy with its hyper-parameters; this runs ``policy.py`` at the first call."""
        return make_policy(self.policy_class(), self.manifest.policy.parameters)

    def state(self) -> State | None:
        """What the policy had learned when it was exported; None when it starts anew."""
        if STATE not in self.members:
            return None
        state = from_bytes(self.policy_class().state_type, self.members[STATE])
        sizes = resolve_sizes(state)
        wanted = {"K": self.manifest.n_arms, "d": self.manifest.dim}
        for letter, size in wanted.items():
            if sizes.get(letter, size) != size or leading_shape(state) != ():
                raise BundleError(
                    "format", f"{STATE} has sizes {sizes}, the manifest says {wanted}"
                )
        return state

    def trace(self) -> Trace:
        """The golden trace, checked to have the sizes that the manifest announces."""
        return self._trace

    @cached_property
    def _trace(self) -> Trace:
        trace, summary = Trace.from_bytes(self.members[TRACE]), self.manifest.trace
        capabilities = self.manifest.policy.capabilities
        got = {
            "steps": len(trace),
            "updates": trace.updates,
            "rows": len(trace.learned),
            "final_digest": trace.digests[-1],
            "n_arms": trace.laws.shape[1],
            "dim": trace.contexts.shape[1],
            "recorded": trace.recorded.shape[1],
            "states": bool(trace.states),
        }
        wanted = {
            "steps": summary.steps,
            "updates": summary.updates,
            "rows": summary.rows,
            "final_digest": summary.final_digest,
            "n_arms": self.manifest.n_arms,
            "dim": self.manifest.dim,
            "recorded": capabilities.recorded,
            "states": capabilities.bits == "close",
        }
        for name, value in wanted.items():
            if got[name] != value:
                raise BundleError(
                    "format", f"{TRACE}: {name} is {got[name]!r}, the manifest says {value!r}"
                )
        return trace

    def verify(self) -> Certificate:
        """Replay the golden trace in this process; raises `BundleError` when it differs."""
        return verify(self)

    def sign(self, key: SigningKey, path: str | os.PathLike[str] | None = None) -> Bundle:
        """The bundle with a signature by ``key`` (in place of an earlier one).

        Parameters
        ----------
        key : SigningKey
        path : path, optional
            Where to write the signed bundle.
        """
        signature = {
            "format": 1,
            "algorithm": "Ed25519",
            "key_id": key.key_id,
            "signature": key.sign(self.members[MANIFEST]).hex(),
        }
        signed = Bundle(pack({**self.members, SIGNATURE: json.dumps(signature, indent=1).encode()}))
        if path is not None:
            signed.save(path)
        return signed

    def check_signature(self, trusted: Trusted) -> str:
        """The id of the trusted key that signed this bundle.

        Parameters
        ----------
        trusted : TrustedKeys, or iterable of bytes
            Public keys of 32 bytes.

        Raises
        ------
        BundleError
            ``unsigned``, ``untrusted`` or ``signature``.
        """
        if self.signed_by is None:
            raise BundleError(
                "unsigned", "the bundle is not signed; sign it: bundle.sign(key, path)"
            )
        keys = trusted if isinstance(trusted, TrustedKeys) else TrustedKeys(trusted)
        keys.verify(self.members[MANIFEST], self._signature, signed_by=self.signed_by)
        return self.signed_by

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it appears whole or not at all."""
        write_whole(path, self.data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"<Bundle {self.sha256[:12]} {'; '.join(f'{k}: {v}' for k, v in self._facts())}>"

    def _repr_html_(self) -> str:
        return facts_table([("bundle", self.sha256[:12]), *self._facts()])

    def _facts(self) -> list[tuple[str, str]]:
        manifest = self.manifest
        parameters = ", ".join(f"{k}={v!r}" for k, v in manifest.policy.parameters.items())
        library = manifest.policy.library
        origin = f"{library.distribution} {library.version}" if library else "its own policy.py"
        state = "as exported" if STATE in self.members else "starts anew"
        features = f", {manifest.dim} features" if manifest.dim else ""
        return [
            ("policy", f"{manifest.policy.id}({parameters})"),
            ("code", origin),
            ("arms", f"{manifest.n_arms}{features}"),
            ("state", state),
            ("golden trace", f"{manifest.trace.steps} steps, {manifest.trace.updates} updates"),
            ("signed by", self.signed_by or "nobody"),
        ]


def load(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle from a file; its code does not run.

    Raises
    ------
    BundleError
        ``format`` or ``digest`` when the file is not a whole bundle.
    FileNotFoundError
        When there is none.
    """
    file = check_path(path, name="path", example="beta.qbrix")
    if file.is_dir():
        raise BundleError("format", f"{file} is a folder, expected a file that qbrix.export wrote")
    if file.stat().st_size > MAX_ARCHIVE_BYTES:
        raise BundleError("format", f"{file} is larger than a bundle may be ({MAX_ARCHIVE_BYTES})")
    return Bundle.from_bytes(file.read_bytes())


def _check_members(members: Mapping[str, bytes], manifest: Manifest) -> None:
    own = manifest.policy.library is None
    wanted = {TRACE} | ({POLICY} if own else set())
    wanted |= {STATE} if manifest.trace.starts_from == "state" else set()
    if set(manifest.members) != wanted:
        raise BundleError(
            "format", f"manifest.json: members are {sorted(manifest.members)}, not {sorted(wanted)}"
        )
    present = set(members) - {MANIFEST, SIGNATURE}
    if present != wanted:
        raise BundleError(
            "format", f"the archive holds {sorted(present)}, the manifest lists {sorted(wanted)}"
        )
    for name, expected in manifest.members.items():
        if member_of(members[name]) != expected:
            raise BundleError(
                "digest",
                f"{name} has the SHA-256 {member_of(members[name]).sha256[:12]}…, the manifest "
                f"says {expected.sha256[:12]}…: it was changed after the export",
            )


def _read_signature(content: bytes | None) -> tuple[str | None, bytes]:
    if content is None:
        return None, b""
    try:
        read = json.loads(content)
        known = (read["format"], read["algorithm"]) == (1, "Ed25519")
        identifier, signature = str(read["key_id"]), bytes.fromhex(read["signature"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BundleError("signature", f"{SIGNATURE} cannot be read") from None
    if not known or len(signature) != 64:
        raise BundleError("signature", f"{SIGNATURE} is not an Ed25519 signature of format 1")
    return identifier, signature
