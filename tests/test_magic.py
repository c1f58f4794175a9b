"""``%load_ext qbrix`` and ``%%policy`` in a real IPython shell."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

CELL = '''\
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix import Capabilities, Policy
from qbrix.checks import param
from qbrix.state import State, array
from qbrix.types import Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nothing(State):
    pulls: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstPolicy(Policy[Nothing, Nothing]):
    """Chooses the first arm."""

    boldness: float = param(1.0, gt=0, doc="not used")

    state_type = Nothing
    capabilities = Capabilities()

    def propensities(self, prepared, context=None, *, mask=None):
        law = np.zeros_like(prepared.pulls)
        law[..., 0] = 1.0
        return law

    def update(self, state, batch):
        return state
'''


@pytest.fixture(scope="module")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """An IPython shell without history, of which a process can have one."""
    settings = Config()
    settings.HistoryManager.enabled = False
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance(
        config=settings, ipython_dir=str(tmp_path_factory.mktemp("ipython"))
    )
    yield shell
    sys.modules["__main__"] = main
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(
    ipython: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InteractiveShell]:
    """The shell of a new notebook in an empty directory, with qbrix loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    ipython.reset(new_session=False)  # type: ignore[no-untyped-call]
    ipython.run_line_magic("reload_ext", "qbrix")
    yield ipython
    for name in ("first", "my_policy"):
        sys.modules.pop(name, None)


def execute(shell: InteractiveShell, cell: str) -> Any:
    """Run a cell as the notebook does."""
    return shell.run_cell(cell)  # type: ignore[no-untyped-call]


def run(shell: InteractiveShell, cell: str, *, name: str = "first.py") -> Any:
    """Run a cell under ``%%policy name``."""
    return execute(shell, f"%%policy {name}\n{cell}")


def test_the_file_is_the_cell_and_the_class_comes_from_it(
    shell: InteractiveShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shell, CELL).success
    assert capsys.readouterr().out == "first.py → FirstPolicy\n"
    assert (tmp_path / "first.py").read_text() == CELL
    policy_class = shell.user_ns["FirstPolicy"]
    assert policy_class.__module__ == "first"
    assert inspect.getsourcefile(policy_class) == str(tmp_path / "first.py")
    assert "Chooses the first arm." in inspect.getsource(policy_class)
    assert importlib.import_module("first").FirstPolicy is policy_class
    assert "Nothing" not in shell.user_ns


def test_the_class_plays(shell: InteractiveShell) -> None:
    run(shell, CELL)
    cell = "import qbrix\nfrom qbrix.environments import Bernoulli\n" + (
        "r = qbrix.simulate(FirstPolicy(), Bernoulli([0.4, 0.5]), horizon=9, progress=False)"
    )
    assert execute(shell, cell).success
    assert shell.user_ns["r"].traces["First"].regret[:, -1] == pytest.approx(0.9)


def test_running_the_cell_again_replaces_the_class_even_within_a_second(
    shell: InteractiveShell,
) -> None:
    run(shell, CELL)
    before = shell.user_ns["FirstPolicy"]
    run(shell, CELL.replace("param(1.0", "param(2.0"))
    after = shell.user_ns["FirstPolicy"]
    assert (before().boldness, after().boldness) == (1.0, 2.0)
    assert sys.modules["first"].FirstPolicy is after
    assert "param(2.0" in inspect.getsource(after)


def test_an_unchanged_cell_does_not_touch_the_file(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, CELL)
    os.utime(tmp_path / "first.py", (1, 1))
    assert run(shell, CELL).success
    assert (tmp_path / "first.py").stat().st_mtime == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".py", ".tmp")] == [
        "first.py"
    ]


def test_a_class_that_the_new_cell_does_not_define_is_gone(shell: InteractiveShell) -> None:
    run(shell, CELL)
    run(shell, CELL.replace("FirstPolicy", "OtherPolicy"))
    assert "FirstPolicy" not in shell.user_ns
    assert "OtherPolicy" in shell.user_ns


def test_a_syntax_error_shows_line_and_text_of_the_file(
    shell: InteractiveShell, tmp_path: Path
) -> None:
    run(shell, CELL)
    lines = CELL.splitlines()
    lines[19] = "class FirstPolicy(Policy:"
    result = run(shell, "\n".join(lines) + "\n")
    error = result.error_in_exec
    assert isinstance(error, SyntaxError)
    assert (error.filename, error.lineno) == (str(tmp_path / "first.py"), 20)
    assert error.text is not None
    assert error.text.strip() == "class FirstPolicy(Policy:"
    assert "FirstPolicy" not in shell.user_ns
    assert "first" not in sys.modules


def test_a_name_that_only_the_notebook_knows_fails_with_a_hint_and_its_line(
    shell: InteractiveShell, tmp_path: Path
) -> None:
    execute(shell, "scale = 3.0")
    result = run(shell, CELL.replace("param(1.0", "param(scale"))
    error = result.error_in_exec
    assert isinstance(error, NameError)
    assert "a file of its own: import there" in error.__notes__[0]
    frame = traceback.extract_tb(error.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == (str(tmp_path / "first.py"), 22)
    assert "param(scale" in str(frame.line)
    assert "first" not in sys.modules


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "needs the name of a file; for example %%policy my_policy.py"),
        ("first", "expected a plain file name that Python can import"),
        ("my-policy.py", "expected a plain file name"),
        ("class.py", "expected a plain file name"),
        ("../first.py", "expected a plain file name"),
        ("/tmp/first.py", "expected a plain file name"),
        ("numpy.py", "would hide the module 'numpy'"),
        ("wave.py", "would hide the module 'wave'"),
    ],
)
def test_a_file_name_that_does_not_fit_is_refused_and_nothing_is_written(
    shell: InteractiveShell, tmp_path: Path, name: str, said: str
) -> None:
    result = run(shell, CELL, name=name)
    assert type(result.error_in_exec).__name__ == "UsageError"
    assert said in str(result.error_in_exec)
    assert not list(tmp_path.glob("**/*.py"))


def test_a_cell_without_a_policy_says_what_was_expected(shell: InteractiveShell) -> None:
    result = run(shell, "x = 1\n")
    assert str(result.error_in_exec).startswith("first.py defines no policy; derive a class from")


def test_a_policy_that_is_only_imported_does_not_count(shell: InteractiveShell) -> None:
    result = run(shell, "from qbrix.policies.random import RandomPolicy\n")
    assert "defines no policy" in str(result.error_in_exec)
