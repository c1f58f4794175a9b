"""The cell magic ``%%policy file.py``: a notebook cell that is a module.

``%load_ext qbrix`` registers it. The cell is written to the file and the class comes from there, so
that what runs in the notebook *is* the file that is exported.
"""

from __future__ import annotations

import keyword
import linecache
import os
import sys
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbrix.policies import Policy

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "register"]

_EXAMPLE = "for example %%policy my_policy.py"


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What ``%load_ext qbrix`` calls."""
    register(shell)


def register(shell: InteractiveShell) -> None:
    """Teach ``shell`` the cell magic ``%%policy``."""
    magic = partial(_policy, shell)
    magic.__doc__ = _policy.__doc__
    shell.magics_manager.register_function(magic, magic_kind="cell", magic_name="policy")


def _policy(shell: InteractiveShell, line: str, cell: str) -> None:
    """Write the cell to a file beside the notebook and import its policies from there.

    Usage: ``%%policy my_policy.py``. The cell is a module of its own: import there what it needs.
    Running it again replaces its classes; a cell that fails takes the former ones away, so that no
    class is left that the file does not define.
    """
    path = _target(line)
    _forget(path.stem, shell=shell)
    _write(path, cell)
    module = _fresh_module(path, cell)
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Policy)
        and value.__module__ == path.stem
        and not isabstract(value)
    }
    if not found:
        _forget(path.stem, shell=shell)
        raise _usage_error(
            f"{path.name} defines no policy; derive a class from qbrix.Policy or "
            "qbrix.ScalarPolicy and define its abstract methods"
        )
    shell.user_ns.update(found)
    print(f"{path.name} → {', '.join(found)}")


def _target(line: str) -> Path:
    """The file that the magic's line names: ``name.py`` in the notebook's directory."""
    name = line.strip()
    stem = name.removesuffix(".py")
    if not name:
        raise _usage_error(f"%%policy needs the name of a file; {_EXAMPLE}")
    if stem == name or not stem.isidentifier() or keyword.iskeyword(stem):
        raise _usage_error(
            f"%%policy {name}: expected a plain file name that Python can import, "
            f"beside the notebook; {_EXAMPLE}"
        )
    path = Path.cwd() / name
    if not _is_ours(stem, path):
        raise _usage_error(
            f"%%policy {name} would hide the module {stem!r} from every other import; "
            f"choose another name, {_EXAMPLE}"
        )
    return path


def _is_ours(stem: str, path: Path) -> bool:
    """Whether the module name is free, or already that of this very file."""
    loaded = sys.modules.get(stem)
    if loaded is not None:
        return getattr(loaded, "__file__", None) == str(path)
    spec = find_spec(stem)
    if spec is None:
        return True
    return spec.origin is not None and Path(spec.origin).resolve() == path.resolve()


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole, and only if its text differs."""
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(content)
    draft.replace(path)


def _fresh_module(path: Path, text: str) -> Any:
    """Execute the text as the module ``path.stem``.

    It is compiled here: the import system would trust a compiled file of the same second and size.
    """
    spec = spec_from_file_location(path.stem, path)
    if spec is None:
        raise ImportError(f"Python finds no loader for {path}")
    linecache.cache.pop(str(path), None)
    code = compile(text, str(path), "exec", dont_inherit=True)
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    with ExitStack() as failing:
        failing.callback(sys.modules.pop, path.stem, None)
        try:
            exec(code, vars(module))
        except NameError as error:
            error.add_note("a %%policy cell is a file of its own: import there what it needs")
            raise
        failing.pop_all()
    return module


def _forget(stem: str, *, shell: InteractiveShell) -> None:
    """Take the classes of an earlier run out of the notebook and its module out of memory."""
    sys.modules.pop(stem, None)
    earlier = [
        name
        for name, value in shell.user_ns.items()
        if isinstance(value, type) and issubclass(value, Policy) and value.__module__ == stem
    ]
    for name in earlier:
        del shell.user_ns[name]


def _usage_error(message: str) -> Exception:
    """IPython prints this kind of error as one line, without a traceback."""
    from IPython.core.error import UsageError

    return UsageError(message)
