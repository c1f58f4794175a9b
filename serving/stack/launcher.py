"""Become a command that dies with its parent, where asked as another user than root.

Run by path, with the standard library only, so that it costs a few milliseconds::

    python -I -S launcher.py ACCOUNT NICENESS SIGNAL PARENT_PID COMMAND...

SIGNAL reaches the command when the thread that started it ends (Linux; elsewhere an orphan is
found by its pid file at the next start). NICENESS is how far the command gives way to others
(see nice(1)), or comes before them where that is allowed to us. ACCOUNT is one of

* ``self``: as it is;
* ``namespace``: as ``nobody`` in a user namespace of its own, where nobody *is* the caller:
  Postgres, which refuses root, is content, and no file changes hands;
* ``nobody``: as the real nobody, for machines that forbid namespaces. It keeps the one capability
  to pass root's closed folders, since a checkout often lives in one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["main"]

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
NOT_STARTED = 126


def main(arguments: list[str]) -> None:
    account, niceness, signal_number, parent, *command = arguments
    try:
        be_nice(int(niceness))
        ACCOUNTS[account]()
        die_with(int(parent), int(signal_number))
        os.execv(command[0], command)
    except (OSError, KeyError) as error:
        print(f"launcher: {command[0]} as {account}: {error}", file=sys.stderr)
        sys.exit(NOT_STARTED)


def be_nice(niceness: int) -> None:
    """Change our priority; Linux may share time among sessions first, so ours changes with us.

    It is a wish: only the privileged may come before others, and others may ask but now and then.
    """
    with contextlib.suppress(OSError):
        os.nice(niceness)
        autogroup = Path("/proc/self/autogroup")
        if niceness and autogroup.exists():
            autogroup.write_text(str(niceness), "ascii")


def enter_namespace() -> None:
    """Be nobody in a new user namespace, mapped to the caller outside."""
    uid, gid = os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", "ascii")
    Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {gid} 1", "ascii")
    Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} {uid} 1", "ascii")


def become_nobody() -> None:
    """Give root up for good, but for passing closed folders where the system lets us keep that."""
    nobody = pwd.getpwnam("nobody")
    with contextlib.suppress(OSError, AttributeError):
        call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    with contextlib.suppress(OSError, AttributeError):
        keep_one_capability(1 << CAP_DAC_OVERRIDE)


def keep_one_capability(bit: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    low, high = (bit, bit, bit), (0, 0, 0)  # effective, permitted, inheritable
    call("capset", header, (ctypes.c_uint32 * 6)(*low, *high))
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def die_with(parent: int, signal_number: int) -> None:
    """Ask for a signal when the parent dies. A change of user forgets it, so this comes last."""
    if sys.platform != "linux":
        return
    call("prctl", PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(NOT_STARTED)


def call(name: str, *arguments: object) -> None:
    """One C library call that answers 0, or an OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


ACCOUNTS: dict[str, Callable[[], None]] = {
    "self": lambda: None,
    "namespace": enter_namespace,
    "nobody": become_nobody,
}

if __name__ == "__main__":
    main(sys.argv[1:])
