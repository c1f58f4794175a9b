"""Tasks → pieces: in this process or over an executor, from a folder where they lie there."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeAlias

from tqdm.auto import tqdm

from qbrix.errors import InvalidParameter
from qbrix.simulator.shelf import Shelf
from qbrix.simulator.travel import check_travel, codes, play_there
from qbrix.simulator.unit import Piece, Task, play

__all__ = ["Pieces", "nobody_watches", "perform"]

Pieces: TypeAlias = dict[str, Piece]
"""Label → what that policy did in one unit; some may be missing after an interrupt."""

Played: TypeAlias = Generator[tuple[int, Task, Pieces], None, None]


def perform(
    tasks: Sequence[Task], *, executor: Executor | None, shelf: Shelf, progress: bool
) -> list[Pieces]:
    """The pieces of every task, in the order of the tasks whatever the order of their making.

    What lies on the shelf is taken from there, the rest is played and put there as soon as it is
    done. After Ctrl-C pieces are missing, or end early.
    """
    found = [shelf.read(task) for task in tasks]
    missing = [
        (i, task.only(*(label for label in task.policies if label not in found[i])))
        for i, task in enumerate(tasks)
        if len(found[i]) < len(task.policies)
    ]
    played = _here(missing, progress) if executor is None else _there(missing, executor, progress)
    with suppress(KeyboardInterrupt), closing(played):
        for i, task, pieces in played:
            for label, piece in pieces.items():
                if piece.rounds == task.horizon:
                    shelf.write(task, label, piece)
            found[i] |= pieces
            if executor is None and any(p.rounds < task.horizon for p in pieces.values()):
                break
    return found


def _here(missing: list[tuple[int, Task]], progress: bool) -> Played:
    """One unit after the other, its policies side by side."""
    with _bar(missing, progress=progress) as bar:
        for i, task in missing:
            yield i, task, play(task, told=bar.update)


def _there(missing: list[tuple[int, Task]], executor: Executor, progress: bool) -> Played:
    """One policy of one unit for each worker at a time."""
    single = [(i, task.only(label)) for i, task in missing for label in task.policies]
    for _, task in single:
        check_travel(task, executor)
    with _bar(single, progress=progress) as bar:
        waiting: dict[Future[Pieces], tuple[int, Task]] = {}
        try:
            for i, task in single:
                waiting[executor.submit(play_there, task, codes(task))] = i, task
            for future in as_completed(list(waiting)):
                i, task = waiting.pop(future)
                yield i, task, _result(future, task)
                bar.update(task.horizon)
        except KeyboardInterrupt:
            for future in [future for future in waiting if future.done()]:
                i, task = waiting.pop(future)
                yield i, task, _result(future, task)
            raise
        finally:
            for future in waiting:
                future.cancel()


def _result(future: Future[Pieces], task: Task) -> Pieces:
    try:
        return future.result()
    except BrokenExecutor:
        (policy,) = task.policies.values()
        raise InvalidParameter(
            f"a worker of the executor ended before its work was done, perhaps for want of memory "
            f"or because it cannot import {type(policy).__module__}, where "
            f"{type(policy).__name__} is written; see its output above, and make a new executor"
        ) from None
    except (ModuleNotFoundError, AttributeError) as error:
        error.add_note(
            "it happened in a worker: what defines the policies and the environment must be "
            "importable there; with Dask, client.upload_file('my_policy.py') brings a file along"
        )
        raise


@contextmanager
def _bar(tasks: list[tuple[int, Task]], *, progress: bool) -> Iterator[tqdm[Any]]:
    total = sum(task.horizon for _, task in tasks)
    quiet = not progress or not tasks or nobody_watches()
    bar: tqdm[Any] = tqdm(total=total, unit=" rounds", unit_scale=True, leave=False, disable=quiet)
    with bar:
        yield bar


def nobody_watches() -> bool:
    """Whether a bar would be drawn in no notebook and on no terminal."""
    from tqdm.notebook import tqdm as notebook_bar

    return not issubclass(tqdm, notebook_bar) and not sys.stderr.isatty()
