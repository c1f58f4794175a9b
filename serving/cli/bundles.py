"""Commands on bundles."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from qbrix.bundle import SigningKey, TrustedKeys, load
from qbrix.errors import InvalidParameter, Unavailable

__all__ = ["key_of", "promote", "show", "sign", "verify"]

_PROMOTION_S = 60.0


def show(*, path: Path) -> None:
    """Print what the bundle says about itself; its code does not run."""
    bundle = load(path)
    print(bundle)
    print(bundle.manifest.to_bytes().decode())


def verify(*, path: Path, trusted: Path | None) -> None:
    """Check the signature against trusted keys, if they are named, and replay the golden trace."""
    bundle = load(path)
    if trusted is not None:
        print(f"signed by {bundle.check_signature(TrustedKeys.load(trusted))}")
    print(bundle.verify().to_json())


def sign(*, path: Path, key: Path, output: Path | None) -> None:
    """Write the signed bundle."""
    signed = load(path).sign(SigningKey.load(key), output or path)
    print(f"{output or path}: {signed.sha256}, signed by {signed.signed_by}")


def promote(*, path: Path, experiment: str, url: str, api_key: str | None) -> int:
    """Send the bundle to a server and print what came of it."""
    try:
        answer = httpx.post(
            f"{url}/api/v1/experiments/{experiment}/promote",
            content=load(path).data,
            headers={"X-API-Key": key_of(api_key), "Content-Type": "application/zip"},
            timeout=_PROMOTION_S,
        )
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} does not answer: {error}") from None
    print(answer.text)
    return 0 if answer.is_success else 1


def key_of(given: str | None) -> str:
    """The API key; raises InvalidParameter."""
    key = given or os.environ.get("QBRIX_API_KEY")
    if not key:
        raise InvalidParameter("no API key; give --api-key or set QBRIX_API_KEY")
    return key
