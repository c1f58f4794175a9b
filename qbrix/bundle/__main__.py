"""``python -m qbrix.bundle FILE [RESULT]``: verify a bundle, write the certificate as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from qbrix.bundle.format import load
from qbrix.errors import BundleError

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """0 when the golden trace came out the same, 1 when it did not."""
    try:
        certificate = load(arguments[0]).verify()
        answer, code = certificate.to_json(), 0
    except BundleError as error:
        answer, code = json.dumps({"refused": error.reason, "message": str(error)}), 1
    if len(arguments) > 1:
        Path(arguments[1]).write_text(answer, "utf-8")
    else:
        print(answer)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
