"""Declared constraints and the sentences that refuse what breaks them.

A hyper-parameter declares its range on its field with `param`; `check_parameters` checks all of
them once, when the object is made. Batches and contexts are checked at the door of the library by
`check_batch` and `check_context`; inside, arrays are trusted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints

import numpy as np

from qbrix.errors import InvalidParameter, ShapeError, SupportError
from qbrix.support import described, supported
from qbrix.types import Array, BoolArray, Interactions

__all__ = [
    "ParameterSpec",
    "check_batch",
    "check_context",
    "check_features",
    "check_integer",
    "check_labelled",
    "check_mask",
    "check_parameters",
    "check_path",
    "check_rewards",
    "middle",
    "param",
    "parameter_specs",
]

_METADATA_KEY = "qbrix.param"
_LARGEST = sys.float_info.max
_RELATIONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterSpec:
    """A hyper-parameter as it is declared: what the catalogue and the wire list about it."""

    name: str
    type: type
    required: bool
    default: Any
    doc: str
    constraints: Mapping[str, float]
    structural: bool


def param(
    default: Any = MISSING,
    *,
    gt: float | None = None,
    gte: float | None = None,
    lt: float | None = None,
    lte: float | None = None,
    doc: str,
    structural: bool = False,
) -> Any:
    """Declare a hyper-parameter field; without a default it is required.

    ``structural=True`` says that the shape or meaning of the state depends on it: such a
    hyper-parameter can only change together with a reset.
    """
    given = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
    constraints = {name: bound for name, bound in given.items() if bound is not None}
    metadata = {_METADATA_KEY: (doc, constraints, structural)}
    return field(default=default, metadata=metadata)


def parameter_specs(owner: type) -> list[ParameterSpec]:
    """The declared hyper-parameters of a class, in order."""
    hints = get_type_hints(owner)
    specs = []
    for item in fields(cast(Any, owner)):
        if _METADATA_KEY not in item.metadata:
            raise InvalidParameter(
                f"{owner.__name__}.{item.name} declares no constraint; "
                f"write it as {item.name}: float = param(default, doc='…')"
            )
        doc, constraints, structural = item.metadata[_METADATA_KEY]
        specs.append(
            ParameterSpec(
                name=item.name,
                type=hints[item.name],
                required=item.default is MISSING,
                default=None if item.default is MISSING else item.default,
                doc=doc,
                constraints=constraints,
                structural=structural,
            )
        )
    return specs


def check_parameters(owner: object) -> None:
    """Raise `InvalidParameter` for the first hyper-parameter that breaks its declaration."""
    for spec in parameter_specs(type(owner)):
        value = getattr(owner, spec.name)
        described = f"{type(owner).__name__}({spec.name}={value!r})"
        expected = describe_constraints(spec)
        if not _has_type(value, spec.type):
            raise InvalidParameter(f"{described}: expected {expected}")
        if isinstance(value, (int, float)) and not _within(value, spec.constraints):
            raise InvalidParameter(f"{described}: expected {expected}")


def describe_constraints(spec: ParameterSpec) -> str:
    """The declaration in words, e.g. ``a finite float > 0``."""
    kind = {float: "a finite float", int: "an integer", bool: "true or false", str: "a string"}
    bounds = " and ".join(
        f"{_RELATIONS[name]} {bound:g}" for name, bound in spec.constraints.items()
    )
    return f"{kind.get(spec.type, spec.type.__name__)} {bounds}".strip()


def middle(spec: ParameterSpec) -> Any:
    """A value well inside what is declared, for examples."""
    if spec.type not in (int, float):
        raise InvalidParameter(
            f"{spec.name} is neither an integer nor a float; write an example() of the class"
        )
    bounds = spec.constraints
    low = bounds.get("gt", bounds.get("gte", min(0.0, bounds.get("lt", bounds.get("lte", 0.0)))))
    high = bounds.get("lt", bounds.get("lte", low + 2.0))
    return spec.type((low + high) / 2.0)


def check_rewards(rewards: Array, *, support: str, owner: str) -> None:
    """Raise `SupportError` unless every reward is finite and in the declared support."""
    good = supported(rewards, support)
    if not good.all():
        worst = float(np.asarray(rewards)[~np.asarray(good)].flat[0])
        raise SupportError(
            f"rewards contain {worst!r}, {owner} learns from {described(support)}; "
            "rescale them or choose a policy with a wider support from qbrix.policies"
        )


def check_batch(
    batch: Interactions,
    *,
    n_arms: int,
    leading: tuple[int, ...],
    dim: int,
    support: str,
    owner: str,
) -> None:
    """Raise the error that names the argument unless ``batch`` fits a state of these sizes.

    ``dim`` is 0 for a policy without context, whose batches may carry contexts all the same.
    """
    shape = batch.arms.shape
    if shape[:-1] != leading or not shape:
        raise ShapeError(f"arms have shape {shape}, expected {leading} + (n,) as in the state")
    for name in ("rewards", "propensities", "state_versions"):
        if getattr(batch, name).shape != shape:
            raise ShapeError(f"{name} have shape {getattr(batch, name).shape}, arms have {shape}")
    if batch.arms.dtype.kind not in "iu":
        raise ShapeError(f"arms have dtype {batch.arms.dtype}, expected integers")
    if batch.arms.size and not (batch.arms.min() >= -1 and batch.arms.max() < n_arms):
        wrong = [int(arm) for arm in (batch.arms.min(), batch.arms.max()) if not -1 <= arm < n_arms]
        raise InvalidParameter(
            f"arms contain {wrong[0]}, expected 0 … {n_arms - 1} or -1 (padding)"
        )
    real = batch.arms >= 0
    check_rewards(batch.rewards[real], support=support, owner=owner)
    propensities = batch.propensities[real]
    if not ((propensities > 0.0) & (propensities <= 1.0)).all():
        raise InvalidParameter("propensities contain a value outside (0, 1]")
    if dim:
        check_context(batch.contexts, dim=dim, owner=owner, leading=shape)


def check_context(
    context: Array | None, *, dim: int, owner: str, leading: tuple[int, ...] | None = None
) -> Array:
    """The context, if it has ``dim`` finite features (and these leading axes)."""
    if context is not None and not isinstance(context, np.ndarray):
        raise ShapeError(
            f"context = {context!r} is no array, {owner} needs one of {dim} features; "
            "pass np.array(…, dtype=float)"
        )
    width = context.shape[-1] if context is not None and context.ndim else 0
    if context is None or width != dim:
        raise ShapeError(f"context has {width} features, {owner} needs {dim}")
    if leading is not None and context.shape[:-1] != leading:
        raise ShapeError(f"contexts have shape {context.shape}, expected {(*leading, dim)}")
    if np.count_nonzero(np.isfinite(context)) != context.size:
        raise InvalidParameter("context contains a value that is not finite")
    return context


def check_features(dim: object, *, owner: str, hint: str = "or a constant feature 1.0") -> None:
    """Raise `InvalidParameter` unless a policy that needs a context is given a feature."""
    if not _is_integer(dim) or cast(int, dim) < 1:
        raise InvalidParameter(
            f"dim = {dim!r}, {owner} needs at least 1 feature; pass init(n_arms=…, dim=…) {hint}"
        )


def check_integer(value: object, *, name: str, least: int) -> None:
    """Raise `InvalidParameter` unless ``value`` is an integer of at least ``least``."""
    if not _is_integer(value) or cast(int, value) < least:
        raise InvalidParameter(f"{name} = {value!r}, expected an integer >= {least}")


def check_labelled(
    given: object, *, of: type, name: str, label: Callable[[Any], str], example: str
) -> dict[str, Any]:
    """Label → member, of a mapping, a sequence or a single one; ``label`` names the unlabelled."""
    if isinstance(given, Mapping):
        found = dict(given)
    elif isinstance(given, of):
        found = {label(given): given}
    elif isinstance(given, Sequence) and not isinstance(given, str):
        found = {label(member): member for member in given}
        if len(found) < len(given):
            raise InvalidParameter(
                f"two of the {name} have the same name; give them labels: "
                "{'first': …, 'second': …}"
            )
    else:
        kind = of.__name__.lower()
        article = "an" if kind[0] in "aeiou" else "a"
        raise InvalidParameter(
            f"{name} = {given!r}, expected {article} {kind}, a list of {name} or a mapping of "
            f"label to {kind}, for example {example}"
        )
    if not found:
        raise InvalidParameter(f"{name} is empty; expected at least one {of.__name__}")
    for key, member in found.items():
        if not isinstance(member, of):
            raise InvalidParameter(
                f"{name}[{key!r}] is {member!r}, expected an instance of {of.__name__}; "
                f"for example {example}"
            )
    return found


def check_mask(mask: BoolArray | None, *, n_arms: int) -> BoolArray | None:
    """The mask, if it has K entries and allows at least one arm in every row."""
    if mask is None:
        return None
    if mask.shape[-1] != n_arms:
        raise ShapeError(f"mask has {mask.shape[-1]} entries, the state has {n_arms} arms")
    if not mask.any(-1).all():
        raise InvalidParameter("mask allows no arm; at least one arm must be choosable")
    return mask


def check_path(path: object, *, name: str, example: str) -> Path:
    """The path, if it is one; whether something is there is another question."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InvalidParameter(f"{name} = {path!r}, expected a path, for example {example!r}")
    return Path(path)


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _has_type(value: object, expected: type) -> bool:
    if expected is float:
        real = isinstance(value, (int, float)) and not isinstance(value, bool)
        return real and -_LARGEST <= cast(float, value) <= _LARGEST  # no NaN, no huge integer
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, expected)


def _within(value: float, constraints: Mapping[str, float]) -> bool:
    holds = {
        "gt": lambda bound: value > bound,
        "gte": lambda bound: value >= bound,
        "lt": lambda bound: value < bound,
        "lte": lambda bound: value <= bound,
    }
    return all(holds[name](bound) for name, bound in constraints.items())
