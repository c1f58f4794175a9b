"""Secrets, trusted keys and TLS: there, readable, whole, and closed to others."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from qbrix.errors import QbrixError
from serving.cli.examining.finding import Finding, fail, ok, warn
from serving.loading import trusted_keys
from serving.settings import MotorSettings, ProxySettings, SharedSettings, read_secrets

__all__ = ["examine_addresses", "examine_secret", "examine_tls", "examine_trusted"]

_SOON = timedelta(days=14)


def examine_secret(name: str, path: Path | None, *, setting: str) -> Finding:
    """A file of keys, one a line."""
    try:
        keys = read_secrets(path, setting=setting)
    except QbrixError as error:
        return fail(name, str(error))
    assert path is not None
    return _closed(name, path, found=f"{path}, {len(keys)} keys" if len(keys) > 1 else str(path))


def examine_trusted(shared: SharedSettings) -> Finding:
    """The public keys whose bundles may run: whoever adds one can run code here."""
    name, directory = "trusted keys", shared.trusted_keys_dir
    if directory is None:
        return warn(name, "QBRIX_TRUSTED_KEYS_DIR is not set", "no bundle can be promoted")
    try:
        trusted = trusted_keys(directory)
        open_to_all = [path for path in (directory, *directory.iterdir()) if _mode(path) & 0o002]
    except (QbrixError, OSError) as error:
        return fail(name, str(error), "name a directory with the signers' *.pub files")
    if open_to_all:
        return fail(name, f"anybody may write {open_to_all[0]}", f"chmod o-w {open_to_all[0]}")
    return ok(name, f"{directory}: {trusted!r}")


def examine_tls(proxy: ProxySettings) -> Iterator[Finding]:
    """The certificate of the gRPC port and its key, where there is one."""
    name, chain, key = "TLS", proxy.grpc_tls_cert_file, proxy.grpc_tls_key_file
    if chain is None and key is None:
        return
    if chain is None or key is None:
        mend = "set PROXY_GRPC_TLS_CERT_FILE and PROXY_GRPC_TLS_KEY_FILE, or neither"
        yield fail(name, "one of certificate and key is missing", mend)
        return
    try:
        certificate = x509.load_pem_x509_certificate(chain.read_bytes())
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        yield fail(name, f"{chain} and {key}: {error}", "name PEM files that this user may read")
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        yield fail(name, f"{key} is not the key of {chain}", "name the two that belong together")
        return
    yield _closed("TLS key", key, found=str(key))
    yield _in_time(certificate, chain)


def examine_addresses(proxy: ProxySettings, motor: MotorSettings) -> Iterator[Finding]:
    """Who can come to ports that ask for no credential, or hear credentials on their way."""
    if not _is_loopback(motor.host):
        yield warn(
            "motor's address",
            f"MOTOR_HOST={motor.host} lets others ask for decisions",
            "no credential is asked for there: keep it inside a network of your own",
        )
    if not _is_loopback(proxy.host) and proxy.grpc_tls_cert_file is None:
        yield warn(
            "proxy's address",
            f"PROXY_HOST={proxy.host} without TLS",
            "put TLS before it (PROXY_GRPC_TLS_CERT_FILE for gRPC), or keys travel in the open",
        )


def _closed(name: str, path: Path, *, found: str) -> Finding:
    mode = stat.S_IMODE(_mode(path))
    if mode & 0o007:
        return fail(name, f"anybody may read {path} (mode {mode:04o})", f"chmod 600 {path}")
    if mode & 0o070:
        return warn(name, f"the group may read {path} (mode {mode:04o})", f"chmod 600 {path}")
    return ok(name, found)


def _mode(path: Path) -> int:
    return path.stat().st_mode


def _in_time(certificate: x509.Certificate, chain: Path) -> Finding:
    name, now = "TLS certificate", datetime.now(UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now <= ends:
        return fail(name, f"{chain} is valid from {begins} to {ends}", "renew it")
    if ends - now < _SOON:
        return warn(name, f"{chain} ends on {ends}", "renew it, and start the proxy again")
    return ok(name, f"{chain} until {ends:%Y-%m-%d}, {ssl.OPENSSL_VERSION}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
