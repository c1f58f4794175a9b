"""How a task reaches a worker: classes go by name, so both sides must mean the same by it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from types import CodeType, FunctionType

from qbrix.errors import InvalidParameter
from qbrix.simulator.unit import Piece, Task, play

__all__ = ["check_travel", "codes", "play_there"]


def check_travel(task: Task, executor: Executor) -> None:
    """Raise unless the workers of ``executor`` can import what plays in ``task``."""
    if not isinstance(executor, Executor):
        raise InvalidParameter(
            f"executor = {executor!r}, expected a concurrent.futures.Executor, for example "
            "ProcessPoolExecutor(4), or Client(…).get_executor() of dask.distributed"
        )
    if not isinstance(executor, ProcessPoolExecutor):
        return
    for kind in _kinds(task):
        if not _goes_by_name(kind):
            raise InvalidParameter(
                f"{kind.__qualname__} lives in {kind.__module__}, where no worker process can "
                "import it; write it to a file of its own, in a notebook with "
                "%%policy my_policy.py, or use a ThreadPoolExecutor"
            )


def codes(task: Task) -> dict[str, str]:
    """Class → digest of its code and of what that uses in the module that defines it.

    For those that go by name; Dask sends the others as they are. qbrix itself is taken to be the
    same on both sides.
    """
    return {
        kind.__qualname__: _digest(kind)
        for kind in _kinds(task)
        if _goes_by_name(kind) and kind.__module__.partition(".")[0] != "qbrix"
    }


def play_there(task: Task, sent: dict[str, str]) -> dict[str, Piece]:
    """`play` in a worker, which may have imported a file before it was written anew."""
    here = codes(task)
    for name, digest in sent.items():
        if here.get(name) != digest:
            raise InvalidParameter(
                f"a worker runs another {name} than the one that was sent, perhaps from before "
                "its file was written anew; make a new executor"
            )
    return play(task)


def _kinds(task: Task) -> Iterator[type]:
    for thing in (task.environment, *task.policies.values()):
        yield type(thing)


def _goes_by_name(kind: type) -> bool:
    """Whether somebody else can import the class."""
    found = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None)
    return kind.__module__ != "__main__" and found is kind


def _digest(kind: type) -> str:
    content = hashlib.sha256()
    for code in _codes_of(kind):
        for part in _parts(code):
            content.update(part.encode() + b"\x1f")
    return content.hexdigest()


def _codes_of(kind: type) -> Iterator[CodeType]:
    """The code of a class, then of what it names in its own module, and so on."""
    module = vars(sys.modules[kind.__module__])
    waiting: list[object] = [kind]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        item = getattr(item, "fget", item)  # the function of a property
        if id(item) in seen or getattr(item, "__module__", None) != kind.__module__:
            continue
        seen.add(id(item))
        if isinstance(item, type):
            members = vars(item)
            waiting += [*item.__bases__, *(members[name] for name in sorted(members))]
        elif isinstance(item, FunctionType):
            yield item.__code__
            waiting += [module[name] for name in _names(item.__code__) if name in module]
        else:
            waiting.append(getattr(item, "__func__", None))  # of a class or static method


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _parts(code: CodeType) -> Iterator[str]:
    """What a function does, without where it stands."""
    yield from (code.co_name, code.co_code.hex(), *code.co_names, *code.co_varnames)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant)))
        else:
            yield repr(constant)
