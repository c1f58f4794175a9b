"""What a bundle says about itself: the part that is signed.

A manifest is JSON that begins with its format. It is read strictly: a missing, surplus or wrongly
typed field is refused by its path, e.g. ``policy.version``. Reading it runs no code.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from qbrix.errors import BundleError
from qbrix.policies.base import Capabilities
from qbrix.support import RewardSupport

__all__ = ["Library", "Manifest", "Member", "PolicyEntry", "Promises", "Provenance", "TraceEntry"]

FORMAT = 1

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """Where a library policy is installed from."""

    distribution: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Promises:
    """What serving relies on: the part of `Capabilities` that cannot change without its code."""

    context: bool
    reward: RewardSupport
    order_free: bool
    propensity: Literal["closed", "quadrature", "one-hot", "points"]
    category: Literal["stochastic", "contextual", "adversarial", "meta"]
    bits: Literal["exact", "close"]
    recorded: int

    @classmethod
    def of(cls, capabilities: Capabilities) -> Promises:
        """Those of a policy."""
        return cls(**{item.name: getattr(capabilities, item.name) for item in fields(cls)})


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyEntry:
    """Which policy the bundle holds.

    Attributes
    ----------
    name : str
        Name of the class.
    version : int
        Version of its behaviour.
    parameters : dict
        Hyper-parameters, JSON values.
    capabilities : Promises
    library : Library, optional
        Given for a policy of an installed library; a policy without it is in ``policy.py``.
    """

    name: str
    version: int
    parameters: dict[str, Any]
    capabilities: Promises
    library: Library | None

    @property
    def id(self) -> str:
        """Behaviour-versioned id, e.g. ``BetaTSPolicy@1``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file of the bundle: its length and SHA-256."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceEntry:
    """Summary of the golden trace.

    Attributes
    ----------
    steps, updates, rows : int
        Decisions, batches that were learned, and rows in them.
    starts_from : {"init", "state"}
        Whether it starts from the policy's initial state or from the bundle's.
    final_digest : str
        Digest of the state after the last batch.
    """

    steps: int
    updates: int
    rows: int
    starts_from: Literal["init", "state"]
    final_digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where a bundle was made.

    Attributes
    ----------
    versions : dict
        Versions of python, numpy, scipy and qbrix.
    platform : str
        Operating system and processor.
    source_file, notebook : str, optional
        Names (without folders) of the policy's file and of the notebook that exported it.
    requires : dict
        Distributions that ``policy.py`` imports beyond the core, with the installed version.
    seed : int
        Seed of the trace's contexts and rewards.
    environment : dict, optional
        Specification of the environment that dealt the trace's contexts and rewards.
    evidence : JSON value, optional
        Summary of what spoke for this policy.
    """

    versions: dict[str, str]
    platform: str
    source_file: str | None
    notebook: str | None
    requires: dict[str, str]
    seed: int
    environment: dict[str, Any] | None
    evidence: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """All that is signed.

    Attributes
    ----------
    format : int
    policy : PolicyEntry
    n_arms : int >= 1
        K.
    arms : tuple of str, optional
        Names of the arms, by index.
    dim : int >= 0
        d; 0 for a policy without context.
    features : tuple of str, optional
        Names of the features, by position.
    members : dict
        Every other file of the bundle except the signature.
    trace : TraceEntry
    provenance : Provenance
    """

    format: int
    policy: PolicyEntry
    n_arms: int
    arms: tuple[str, ...] | None
    dim: int
    features: tuple[str, ...] | None
    members: dict[str, Member]
    trace: TraceEntry
    provenance: Provenance

    def to_bytes(self) -> bytes:
        """JSON, the format first; these exact bytes are signed."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read `to_bytes`; raises `BundleError` (``format``) naming the field."""
        try:
            read = json.loads(data, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BundleError("format", "manifest.json is not JSON") from None
        found = read.get("format") if isinstance(read, dict) else None
        if found != FORMAT:
            raise BundleError(
                "format",
                f"manifest.json has format {found!r}, this qbrix reads {FORMAT}; "
                "read it with the qbrix that wrote it, or export it again",
            )
        manifest: Manifest = _read(cls, read, at="")
        manifest._check_sizes()
        return manifest

    def _check_sizes(self) -> None:
        _expect(self.policy.name.isidentifier(), "policy.name", self.policy.name, "a class name")
        _expect(self.n_arms >= 1, "n_arms", self.n_arms, "at least 1")
        contextual = self.policy.capabilities.context
        wanted = (
            "at least 1 (the policy uses a context)" if contextual else "0 (it uses no context)"
        )
        _expect(self.dim >= 1 if contextual else self.dim == 0, "dim", self.dim, wanted)
        named = (("arms", self.arms, self.n_arms), ("features", self.features, self.dim))
        for at, names, size in named:
            different = names is None or len(names) == len(set(names)) == size
            _expect(different, at, names, f"{size} different names")


def member_of(content: bytes) -> Member:
    """Length and digest of a file."""
    return Member(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _read(kind: Any, value: Any, *, at: str) -> Any:
    """``value`` as ``kind`` declares it; ``at`` is its path in the manifest."""
    if kind is Any:
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = next(part for part in arguments if part is not type(None))
        return None if value is None else _read(inner, value, at=at)
    if origin is Literal:
        _expect(value in arguments, at, value, f"one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        _expect(isinstance(value, list), at, value, "a list")
        return tuple(_read(arguments[0], item, at=f"{at}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        _expect(isinstance(value, dict), at, value, "an object")
        return {name: _read(arguments[1], item, at=f"{at}.{name}") for name, item in value.items()}
    if kind in (str, int, bool):
        _expect(type(value) is kind, at, value, f"of type {kind.__name__}")
        return value
    return _read_object(kind, value, at=at)


def _read_object(kind: type[T], value: Any, *, at: str) -> T:
    _expect(isinstance(value, Mapping), at or "manifest", value, "an object")
    hints = get_type_hints(kind)
    declared = [item.name for item in fields(cast(Any, kind))]
    prefix = f"{at}." if at else ""
    for name in declared:
        _expect(name in value, prefix + name, "nothing", "a value")
    for name in value:
        _expect(name in declared, prefix + name, "a field", "no such field")
    return kind(**{name: _read(hints[name], value[name], at=prefix + name) for name in declared})


def _expect(holds: bool, at: str, got: object, expected: str) -> None:
    if not holds:
        shown = repr(got) if len(repr(got)) <= 60 else f"{repr(got)[:57]}…"
        raise BundleError("format", f"manifest.json: {at} is {shown}, expected {expected}")


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
