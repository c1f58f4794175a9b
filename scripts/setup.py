"""Make `.venv`: a virtual environment with everything in requirements.lock, and this project.

A second run returns at once. A half-made, moved or broken environment is made anew, and of two
runs at the same time one waits for the other.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "complete.json"  # written last: where it is missing, the rest is half-made


def main() -> None:
    expected = stamp()
    if is_complete(expected):
        return
    mutex = ROOT / ".cache" / "setup.mutex"
    mutex.parent.mkdir(exist_ok=True)
    with mutex.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not is_complete(expected):
            build(expected)


def stamp() -> dict[str, object]:
    """What the environment was made from and where: a copied or moved checkout is another one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    made_from = {
        "project": {part: project[part] for part in ("build-system", "project")},
        "packages": project["tool"]["hatch"],
        "lock": LOCK.read_text("utf-8"),
        "setup": Path(__file__).read_text("utf-8"),
    }
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return {"version": 1, "path": str(VENV), "digest": digest}


def is_complete(expected: dict[str, object]) -> bool:
    """Whether the environment was finished for exactly this, and its Python still finds qbrix."""
    find = "import importlib.util as u; print(u.find_spec('qbrix').origin)"
    try:
        if json.loads(STAMP.read_text("utf-8")) != expected:
            return False
        answer = subprocess.run(
            [PYTHON, "-I", "-c", find], capture_output=True, text=True, check=False
        )
    except (OSError, ValueError):
        return False
    return answer.stdout.strip() == str(ROOT / "qbrix" / "__init__.py")


def build(expected: dict[str, object]) -> None:
    started = time.monotonic()
    say(f"making {VENV} with Python {sys.version.split()[0]}")
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    if not succeeds(sys.executable, "-m", "venv", VENV):
        sys.exit(
            f"setup: {sys.executable} cannot make virtual environments; it needs the "
            "standard modules venv and ensurepip (python3-venv on Debian)"
        )
    install_lock()
    local = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    if not succeeds(PYTHON, "-m", "pip", *local):
        sys.exit("setup: the project itself could not be installed; the lines above say why")
    STAMP.write_text(json.dumps(expected), "utf-8")
    say(f"ready in {time.monotonic() - started:.0f} s")


def install_lock() -> None:
    """Install the lock with uv, which is in it (6 s for pip's 90); with pip where uv cannot."""
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(entry("uv"), "utf-8")
        pip = (
            PYTHON,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--requirement",
        )
        if not succeeds(*pip, only_uv):
            sys.exit("setup: uv could not be installed; is a package index within reach of pip?")
        uv = (
            PYTHON,
            "-m",
            "uv",
            "pip",
            "install",
            "--quiet",
            "--system-certs",
            "--python",
            PYTHON,
            "--require-hashes",
            "--requirement",
        )
        if succeeds(*uv, LOCK):
            return
        say("uv could not (it does not read pip's configuration); pip will, in a minute or two")
        if not succeeds(*pip, LOCK):
            sys.exit("setup: requirements.lock could not be installed; the lines above say why")


def entry(name: str) -> str:
    """The lines of one package in the lock: its version and the hashes that follow."""
    lines = LOCK.read_text("utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"{name}=="))
    after = next(i for i in range(first + 1, len(lines)) if not lines[i].startswith(" "))
    return "\n".join(lines[first:after]) + "\n"


def succeeds(*command: str | Path) -> bool:
    environment = os.environ | {"PYTHONNOUSERSITE": "1"}
    if not os.access(Path.home(), os.W_OK):
        environment |= {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
    return subprocess.run(command, env=environment, check=False).returncode == 0


def say(line: str) -> None:
    print(f"setup: {line}", flush=True)


if __name__ == "__main__":
    main()
