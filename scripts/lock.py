"""Write requirements.lock anew: the newest versions that pyproject.toml admits, with hashes.

One file for Python 3.11 and newer on Linux and macOS. It names no index, so that whoever installs
it decides where the files come from; the hashes decide what they are.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVERYWHERE = re.compile(r" ; \(?sys_platform == 'darwin' or sys_platform == 'linux'\)?(?= \\)")
IN_BOTH = re.compile(r" and \(sys_platform == 'darwin' or sys_platform == 'linux'\)(?= \\)")


def main() -> None:
    resolved = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--system-certs"),
            *("--universal", "--python-version", "3.11", "--fork-strategy", "fewest"),
            *("--all-extras", "--generate-hashes", "--upgrade"),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
            "pyproject.toml",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lock = IN_BOTH.sub("", EVERYWHERE.sub("", resolved))
    (ROOT / "requirements.lock").write_text(lock, "utf-8")
    packages = [line for line in lock.splitlines() if not line.startswith(" ")]
    print(f"requirements.lock: {len(packages)} packages")


if __name__ == "__main__":
    main()
