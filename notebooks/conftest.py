"""Under test, a kernel is reached over files: a TCP port free a moment ago may be taken by now.

A stack that a notebook starts is not hurried, for the machine has more to do.
"""

from __future__ import annotations

import os
import tempfile
from itertools import count
from pathlib import Path

import nbval.kernel
from jupyter_client.manager import KernelManager
from traitlets import default

from tests.waiting import PATIENT

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
    os.environ.update(PATIENT)


def pytest_sessionfinish() -> None:
    nbval.kernel.KernelManager = KernelManager
    _folder.cleanup()
