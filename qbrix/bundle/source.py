"""A policy's own source: found when it is exported, loaded again wherever it is promoted.

Exported is the file that the class came from, byte for byte. It is loaded from memory as a module
of its own, named after its digest, so that classes of the same name from two bundles never meet.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.abc import SourceLoader
from importlib.metadata import entry_points, packages_distributions, version
from importlib.util import decode_source, module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from qbrix.bundle.manifest import Library
from qbrix.errors import BundleError, QbrixError
from qbrix.policies import policies
from qbrix.policies.base import Policy

__all__ = ["OwnSource", "find_source", "foreign_code", "load_class"]

_CORE = frozenset({"qbrix", "numpy", "scipy"})
_LOADING = threading.RLock()


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSource:
    """The file of a user's policy.

    Attributes
    ----------
    content : bytes
    file_name : str
        Without folders.
    requires : dict
        Distributions beyond the core that it imports, with the installed version.
    """

    content: bytes
    file_name: str
    requires: dict[str, str]


@contextmanager
def foreign_code(reason: str, *, doing: str) -> Iterator[None]:
    """Turn whatever somebody else's code raises into a `BundleError`.

    The one broad ``except`` of the bundle: the code of a policy may raise anything, and a role
    that refuses a bundle must go on serving the others.
    """
    try:
        yield
    except QbrixError:
        raise
    except (Exception, SystemExit) as error:
        raise BundleError(reason, f"{doing} raises {type(error).__name__}: {error}") from error


def find_source(policy_class: type[Policy[Any, Any]]) -> Library | OwnSource:
    """Where a class comes from: an installed library, or a file of the user's own.

    Raises
    ------
    BundleError
        ``main`` for a class without a file, ``source`` for a file that does not stand alone.
    """
    library = _library_of(policy_class)
    if library is not None:
        return library
    name = policy_class.__name__
    module = sys.modules.get(policy_class.__module__)
    loader = getattr(module, "__loader__", None)
    if isinstance(loader, _BundleLoader):
        return OwnSource(
            content=loader.content,
            file_name=loader.file_name,
            requires=_required(loader.content, file_name=loader.file_name),
        )
    file = getattr(module, "__file__", None)
    if module is None or module.__name__ == "__main__" or file is None:
        raise BundleError(
            "main",
            f"{name} lives in {policy_class.__module__}, and a bundle carries a file; begin its "
            "cell with %%policy my_policy.py (after %load_ext qbrix), or import it from a file",
        )
    if policy_class.__qualname__ != name:
        raise BundleError(
            "source",
            f"{policy_class.__qualname__} is not at the top level of {file}; move it there",
        )
    content = Path(file).read_bytes()
    _check_unchanged(module, policy_class, content, file=file)
    file_name = Path(file).name
    requires = _required(content, file_name=file_name)
    return OwnSource(content=content, file_name=file_name, requires=requires)


def load_class(content: bytes, *, name: str, file_name: str) -> type[Policy[Any, Any]]:
    """The policy class ``name`` of a source, its module made at the first call.

    Raises
    ------
    BundleError
        ``source`` when the code raises, or has no policy of that name.
    """
    digest = hashlib.sha256(content).hexdigest()
    module_name = f"qbrix_bundle_{digest[:12]}"
    with _LOADING:
        module = sys.modules.get(module_name)
        if module is None:
            module = _execute(module_name, _BundleLoader(module_name, content, file_name))
        elif getattr(module.__loader__, "content", None) != content:
            raise BundleError("source", f"another source is already loaded as {module_name}")
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Policy)):
        raise BundleError("source", f"{file_name} defines no policy {name!r}")
    return found


class _BundleLoader(SourceLoader):
    """Loads a module from memory; tracebacks and `inspect` show its lines."""

    def __init__(self, module_name: str, content: bytes, file_name: str) -> None:
        self.content = content
        self.file_name = file_name
        self._path = f"{module_name}/{file_name}"

    def get_filename(self, fullname: str) -> str:
        """A path that exists nowhere, fit for tracebacks."""
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        """The source; there is no compiled form of it on disk."""
        if path != self._path:
            raise FileNotFoundError(path)
        return self.content


def _execute(module_name: str, loader: _BundleLoader) -> ModuleType:
    spec = spec_from_loader(module_name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    # Dataclasses resolve their annotations through sys.modules while the code runs.
    sys.modules[module_name] = module
    with ExitStack() as failing:
        failing.callback(sys.modules.pop, module_name, None)
        with foreign_code("source", doing=f"loading {loader.file_name}"):
            loader.exec_module(module)
        failing.pop_all()
    path, lines = loader.get_filename(module_name), decode_source(loader.content).splitlines(True)
    linecache.cache[path] = (len(loader.content), None, lines, path)
    return module


def _library_of(policy_class: type[Policy[Any, Any]]) -> Library | None:
    """The installed distribution that registers this very class, if one does."""
    if policy_class not in policies:
        return None
    if policy_class.__module__.partition(".")[0] == "qbrix":
        import qbrix

        return Library(distribution=qbrix.__distribution__, version=qbrix.__version__)
    for point in entry_points(group="qbrix.policies"):
        if point.dist is not None and point.load() is policy_class:
            return Library(distribution=point.dist.name, version=point.dist.version)
    return None


def _required(content: bytes, *, file_name: str) -> dict[str, str]:
    """Distributions behind the imports; refuses imports that a bundle cannot carry."""
    with foreign_code("source", doing=f"parsing {file_name}"):
        tree = ast.parse(content)
    roots = set(_imported_roots(tree, file_name=file_name))
    foreign = roots - _CORE - sys.stdlib_module_names
    known = packages_distributions() if foreign else {}
    for root in sorted(foreign):
        if root not in known:
            raise BundleError(
                "source",
                f"{file_name} imports {root!r}, which belongs to no installed distribution: "
                "a server that loads the bundle would not find it; "
                "put the code into the same file (or install it as a package there and here)",
            )
    names = sorted({known[root][0] for root in foreign})
    return {name: version(name) for name in names}


def _imported_roots(tree: ast.AST, *, file_name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise BundleError(
                    "source",
                    f"{file_name}, line {node.lineno}: a relative import leads outside the bundle; "
                    "put the code into the same file",
                )
            yield (node.module or "").partition(".")[0]


def _check_unchanged(
    module: ModuleType, policy_class: type[Policy[Any, Any]], content: bytes, *, file: str
) -> None:
    """Refuse a file that was edited since: what ran is what is exported."""
    with foreign_code("source", doing=f"compiling {file}"):
        codes = set(_codes(compile(content, file, "exec", dont_inherit=True)))
    for item in [*vars(module).values(), *vars(policy_class).values()]:
        if not isinstance(item, FunctionType) or item.__code__.co_filename != file:
            continue
        if item.__code__ not in codes:
            raise BundleError(
                "source",
                f"{file} has changed since {policy_class.__name__} was imported from it "
                f"({item.__qualname__} differs); run its cell again and export the new class",
            )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
