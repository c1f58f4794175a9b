"""Writes ``serving/wire/gen`` from ``proto``: ``python -m serving.wire.generate [folder]``."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

from qbrix.errors import MissingExtra, QbrixError

__all__ = ["generate"]

_ROOT = Path(__file__).resolve().parents[2]
_GEN = Path(__file__).with_name("gen")
_PACKAGE = "serving.wire.gen"
_SIBLING = re.compile(r"^import (\w+_pb2)", re.MULTILINE)


def generate(target: Path) -> list[Path]:
    """Write modules and stubs of every proto file into ``target``."""
    try:
        from grpc_tools import protoc
    except ImportError:
        raise MissingExtra("generating the wire's modules", extra="dev") from None
    target.mkdir(parents=True, exist_ok=True)
    proto = _ROOT / "proto"
    sources = sorted(proto.glob("*.proto"))
    includes = [f"-I{proto}", f"-I{files('grpc_tools') / '_proto'}"]
    outputs = [f"--python_out={target}", f"--pyi_out={target}"]
    if protoc.main(["protoc", *includes, *outputs, *map(str, sources)]) != 0:
        raise QbrixError(f"protoc refused the files in {proto}; its messages stand above")
    written = sorted(target.glob("*_pb2.py*"))
    for file in written:
        text = file.read_text("utf-8")
        file.write_text(_SIBLING.sub(rf"from {_PACKAGE} import \1", text), "utf-8")
    init = target / "__init__.py"
    init.write_text('"""Written by `python -m serving.wire.generate`."""\n', "utf-8")
    return [*written, init]


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else _GEN)
