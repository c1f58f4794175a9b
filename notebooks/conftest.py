"""Under test, a kernel is reached over files: a TCP port free a moment ago may be taken by now."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

import nbval.kernel
from jupyter_client.manager import KernelManager
from traitlets import default

_folder = tempfile.TemporaryDirectory(prefix="qbrix-kernels-")
_names = count()


class KernelOnFiles(KernelManager):
    """A kernel whose sockets are files of its own."""

    @default("transport")
    def _files(self) -> str:
        return "ipc"

    @default("ip")
    def _own(self) -> str:
        return str(Path(_folder.name, str(next(_names))))


def pytest_sessionstart() -> None:
    nbval.kernel.KernelManager = KernelOnFiles


def pytest_sessionfinish() -> None:
    nbval.kernel.KernelManager = KernelManager
    _folder.cleanup()
