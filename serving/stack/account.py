"""As whom Postgres runs: it refuses root, so root lends it another name."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from qbrix.errors import Unavailable
from serving.stack.child import Account, launch_command

__all__ = ["choose_account", "give"]


def choose_account(program: Path, *, root: Path) -> Account:
    """The first way of not being root that reaches both the program and the data."""
    if os.geteuid() != 0:
        return "self"
    accounts: tuple[Account, ...] = ("namespace", "nobody")
    for account in accounts:
        if _reaches(account, program, root):
            return account
    raise Unavailable(
        f"Postgres refuses to run as root, and without root nothing here reaches {program} and "
        f"{root}: this system allows no user namespace, and its user nobody cannot go there. Run "
        "qbrix as an ordinary user, or use folders open to all, or set QBRIX_POSTGRES_URL"
    )


def give(folder: Path, account: Account) -> None:
    """Make the account the owner of a folder and all that is in it."""
    uid, gid = _owner(account)
    if folder.stat().st_uid == uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def _owner(account: Account) -> tuple[int, int]:
    """Who owns the files outside a namespace, where nobody is root."""
    if account == "nobody":
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid
    return os.geteuid(), os.getegid()


def _reaches(account: Account, program: Path, root: Path) -> bool:
    shell = shutil.which("sh") or "/bin/sh"
    question = (shell, "-c", 'test -x "$1" && test -w "$2"', "sh")
    with TemporaryDirectory(dir=root, prefix=".reach-") as scratch:
        give(Path(scratch), account)
        if account == "nobody":
            root.chmod(0o711)  # to pass through; what lies in it keeps its own locks
        command = launch_command((*question, program, scratch), account=account)
        reached = subprocess.run(command, capture_output=True, check=False).returncode == 0
        give(Path(scratch), "self")  # root without its usual rights could not remove it otherwise
        return reached
