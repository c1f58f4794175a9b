"""The way into a stack that somebody else runs."""

from __future__ import annotations

import os
from pathlib import Path

from qbrix.errors import InvalidParameter
from serving.stack.folders import Folders
from serving.stack.roles import make_secrets
from serving.stack.stack import STORES

__all__ = ["environment_of"]


def environment_of(data_dir: Path) -> dict[str, str]:
    """What the roles of the stack in this directory are told; raises InvalidParameter."""
    folders = Folders(data_dir.expanduser().absolute())
    if not (folders.run / "stack.lock").exists():
        raise InvalidParameter(
            f"--data-dir {folders.root}: no stack was ever started there; give the directory of "
            "`qbrix up`, or set QBRIX_POSTGRES_URL and QBRIX_REDIS_URL"
        )
    urls = {}
    for name, embedded in STORES.items():
        if os.environ.get(name):
            continue
        server = embedded(folders.root)
        remembered = folders.run / f"{server.name}.port"
        if not remembered.exists():
            raise InvalidParameter(f"--data-dir {folders.root}: its {server.title} never started")
        server.attach(int(remembered.read_text("ascii")))
        urls[name] = server.url
    return os.environ | urls | make_secrets(folders)
