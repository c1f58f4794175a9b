"""One race on any executor, in any order, in pieces and again."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pytest

from qbrix.environments import Bernoulli, Environment, LinearContextual, Rounds
from qbrix.errors import InvalidParameter
from qbrix.policies import Policy
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.exp3 import EXP3Policy
from qbrix.policies.lin_ts import LinTSPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.simulator import SimulationResult, shelf, simulate, unit
from qbrix.state import digest
from tests.simulator.by_hand import ConstantPolicy

ROOT = Path(__file__).resolve().parents[2]
ARMS = Bernoulli([0.2, 0.7, 0.4])
RACE: list[Policy[Any, Any]] = [BetaTSPolicy(), EXP3Policy(gamma=0.1)]

P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "_UNIT_REPLICATIONS", 6)


def race(policies: Any = RACE, environment: Environment = ARMS, **options: Any) -> SimulationResult:
    settings = {"horizon": 60, "replications": 20, "seed": 5, "progress": False, **options}
    return simulate(policies, environment, **settings)


def assert_equal(a: SimulationResult, b: SimulationResult) -> None:
    """To the bit, but for the time that it took."""
    assert list(a.traces) == list(b.traces)
    assert (a.replications, a.horizon, a.interrupted) == (b.replications, b.horizon, b.interrupted)
    for label, trace in a.traces.items():
        for name in ("regret", "realised", "reward", "best", "pulls", "state_bytes"):
            assert np.array_equal(getattr(trace, name), getattr(b.traces[label], name)), name


class Backwards(Executor):
    """Does the last task first, when the first result is asked for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        if len(self._waiting) == 8:
            for waiting, work in reversed(self._waiting):
                waiting.set_result(work())
        return future


def spawned() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("make", [Backwards, lambda: ThreadPoolExecutor(3), spawned])
def test_an_executor_changes_nothing_but_the_time(make: Callable[[], Executor]) -> None:
    """Four units (6, 6, 6 and 2 replications) of two policies."""
    with make() as executor:
        assert_equal(race(executor=executor), race())


@pytest.fixture(scope="module")
def dask_executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """Of a scheduler and two workers of our own that talk over TCP.

    They live in this process, which is quick to start; `spawned` workers are processes.
    """
    dask: Any = import_module("distributed")
    with ExitStack() as stack:
        cluster = stack.enter_context(
            dask.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=False,
                protocol="tcp://",
                dashboard_address=None,
                local_directory=str(tmp_path_factory.mktemp("dask")),
            )
        )
        client = stack.enter_context(dask.Client(cluster))
        yield stack.enter_context(client.get_executor())


def test_a_dask_cluster_changes_nothing_but_the_time(dask_executor: Executor) -> None:
    assert_equal(race(executor=dask_executor), race())
    place = LinearContextual.random(n_arms=3, dim=4)
    assert_equal(race([LinTSPolicy()], place, executor=dask_executor), race([LinTSPolicy()], place))


def test_dask_takes_along_a_class_that_nobody_can_import(dask_executor: Executor) -> None:
    class LocalPolicy(ConstantPolicy):
        """Lives in a function, as classes of a notebook's cells live in __main__."""

    assert_equal(race([LocalPolicy()], executor=dask_executor), race([LocalPolicy()]))


def test_more_replications_go_on_where_whole_units_end() -> None:
    few, many = race(replications=12), race(replications=20)
    assert np.array_equal(few.traces["BetaTS"].regret, many.traces["BetaTS"].regret[:12])


def test_units_are_smaller_where_states_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert unit.cut(2500, ARMS) == [1000, 1000, 500]
    assert unit.cut(1000, Bernoulli([0.5] * 10)) == [1000]
    large = LinearContextual.random(n_arms=16, dim=64)
    assert unit.cut(300, large) == [256, 44]


def test_final_states_of_all_units_come_in_the_order_of_replications() -> None:
    result = race(RACE[:1], keep_states=True)
    assert result.states is not None
    state: Any = result.states["BetaTS"]
    assert np.array_equal(state.successes.sum(-1), result.traces["BetaTS"].reward[:, -1])


def test_a_worker_cannot_import_what_lives_in_a_function() -> None:
    class LocalPolicy(ConstantPolicy):
        """Nobody else can import it."""

    with (
        spawned() as executor,
        pytest.raises(InvalidParameter, match=r"LocalPolicy lives in .*%%policy my_policy.py"),
    ):
        race([LocalPolicy()], executor=executor)


MINE = """
from tests.simulator.by_hand import ConstantPolicy

class MinePolicy(ConstantPolicy):
    "Mine."
"""


AGAIN = """
from tests.simulator.by_hand import ConstantPolicy

def helper():
    return {number}

class MinePolicy(ConstantPolicy):
    "Its own code stays the same."

    @classmethod
    def used(cls):
        return [helper() for _ in range(3)]
"""


def test_a_policy_in_a_file_beside_the_notebook_reaches_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_in_a_file.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    mine = import_module("mine_in_a_file").MinePolicy(arm=1)
    with spawned() as executor:
        assert_equal(race([mine], executor=executor), race([mine]))


def test_a_worker_that_knows_an_older_class_of_that_name_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written anew while the worker lives, as by running a cell again."""
    path = tmp_path / "mine_again.py"
    path.write_text(AGAIN.format(number=1))
    monkeypatch.syspath_prepend(tmp_path)
    with spawned() as executor:
        race([import_module("mine_again").MinePolicy()], executor=executor)
        path.write_text(AGAIN.format(number=2))
        monkeypatch.delitem(sys.modules, "mine_again")
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        anew = import_module("mine_again").MinePolicy()
        with pytest.raises(InvalidParameter, match=r"another MinePolicy .* make a new executor"):
            race([anew], executor=executor)


class Impatient(Executor):
    """Does five tasks at once; somebody presses Ctrl-C while the sixth is handed over."""

    def __init__(self) -> None:
        self.handed = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.handed += 1
        if self.handed == 6:
            raise KeyboardInterrupt
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_after_an_interrupt_everything_that_workers_had_finished_counts(tmp_path: Path) -> None:
    """Two units of two policies are complete, of the third only one."""
    with pytest.warns(RuntimeWarning, match="the result covers 12 of 20 replications"):
        early = race(executor=Impatient(), folder=tmp_path)
    assert_equal(replace(early, interrupted=False), race(replications=12))
    assert len(list(tmp_path.iterdir())) == 5


class Deadly(Bernoulli):
    """Ends whatever process deals it."""

    def deal(self, rng: Any, *, replications: int, sizes: list[int]) -> Iterator[Rounds]:
        os._exit(3)


def test_a_worker_that_dies_is_told_and_what_was_finished_stays(tmp_path: Path) -> None:
    race(RACE[:1], replications=6, folder=tmp_path)
    with spawned() as executor, pytest.raises(InvalidParameter, match="ended before its work was"):
        race(RACE[:1], Deadly([0.5, 0.4]), executor=executor, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


class Costly(Bernoulli):
    """Counts how often it is played."""

    played = 0

    def deal(self, rng: Any, *, replications: int, sizes: list[int]) -> Iterator[Rounds]:
        type(self).played += 1
        return super().deal(rng, replications=replications, sizes=sizes)


def test_what_lies_in_the_folder_is_not_played_again(tmp_path: Path) -> None:
    place = Costly([0.2, 0.7, 0.4])
    Costly.played = 0
    first = race(environment=place, folder=tmp_path, keep_states=True)
    assert Costly.played == 4
    again = race(environment=place, folder=tmp_path, keep_states=True)
    assert Costly.played == 4
    assert_equal(first, again)
    assert digest(first.state("BetaTS", replication=19)) == digest(
        again.state("BetaTS", replication=19)
    )


def test_one_more_policy_or_unit_is_all_that_is_played_when_it_joins(tmp_path: Path) -> None:
    place = Costly([0.2, 0.7, 0.4])
    race(environment=place, replications=12, folder=tmp_path)
    Costly.played = 0
    larger = race(environment=place, replications=18, folder=tmp_path)
    assert Costly.played == 1
    joined = race([*RACE, RandomPolicy()], place, replications=18, folder=tmp_path)
    assert Costly.played == 4
    assert_equal(larger, race(environment=place, replications=18))
    assert_equal(joined, race([*RACE, RandomPolicy()], place, replications=18))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"horizon": 61},
        {"checkpoints": [30]},
        {"policies": [BetaTSPolicy(alpha_prior=2.0)]},
        {"policies": {"another": BetaTSPolicy()}},
        {"environment": Costly([0.2, 0.7, 0.5])},
    ],
)
def test_a_piece_of_another_race_is_never_taken(tmp_path: Path, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "policies": RACE[:1],
        "environment": Costly([0.2, 0.7, 0.4]),
        "replications": 6,
    }
    race(**given, folder=tmp_path)
    changed = {**given, **change}
    assert_equal(race(**changed, folder=tmp_path), race(**changed))
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    race(RACE[:1], replications=6, folder=tmp_path)
    (piece,) = tmp_path.glob("*.npz")
    piece.write_bytes(piece.read_bytes()[:-30])
    with pytest.raises(InvalidParameter, match=rf"{piece.name} is damaged .* delete it"):
        race(RACE[:1], replications=6, folder=tmp_path)


def test_a_file_cannot_be_the_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InvalidParameter, match="is a file, expected a folder"):
        race(folder=tmp_path / "taken")


KILLED = """
import os, signal, sys
from qbrix.simulator import archive, simulate, unit
from tests.simulator.test_spread import ARMS, RACE

unit._UNIT_REPLICATIONS = 6
written = []
fsync = os.fsync

def dying(number):
    fsync(number)
    written.append(number)
    if len(written) == 4:
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = dying
simulate(RACE, ARMS, horizon=60, replications=20, seed=5, progress=False, folder=sys.argv[1])
"""


def test_a_race_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed while the fourth of eight pieces is written: on disk, but not yet in its place."""
    shelf._own_code.cache_clear()  # whoever edits qbrix while tests run gets other names of pieces
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.npz"))) == 3
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    assert_equal(race(folder=tmp_path), race())
    assert len(list(tmp_path.iterdir())) == 8


class InterruptedLater(Bernoulli):
    """Somebody presses Ctrl-C in the third unit."""

    started = 0

    def deal(self, rng: Any, *, replications: int, sizes: list[int]) -> Iterator[Rounds]:
        type(self).started += 1
        if type(self).started == 3:
            raise KeyboardInterrupt
        return super().deal(rng, replications=replications, sizes=sizes)


def test_an_interrupted_race_keeps_the_replications_that_are_finished(tmp_path: Path) -> None:
    place = InterruptedLater([0.2, 0.7, 0.4])
    InterruptedLater.started = 0
    with pytest.warns(RuntimeWarning, match="the result covers 12 of 20 replications"):
        early = race(environment=place, folder=tmp_path)
    assert early.interrupted
    whole = race(replications=12)
    assert np.array_equal(early.traces["EXP3"].regret, whole.traces["EXP3"].regret)
    later = race(environment=place, folder=tmp_path)
    assert InterruptedLater.started == 5
    assert_equal(later, race())
