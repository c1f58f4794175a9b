"""Export, load, verify and sign policies: the file that goes from the notebook to serving."""

from __future__ import annotations

from qbrix.bundle.export import export
from qbrix.bundle.format import Bundle, load
from qbrix.bundle.resolver import BundleResolver
from qbrix.bundle.signing import SigningKey, TrustedKeys
from qbrix.bundle.verify import Certificate

__all__ = [
    "Bundle",
    "BundleResolver",
    "Certificate",
    "SigningKey",
    "TrustedKeys",
    "export",
    "load",
]
