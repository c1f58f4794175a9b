"""scikit-learn estimators as text: ``sklearn.linear_model.Ridge(alpha=2.0)``.

The text is parsed, never evaluated: names must be public estimator classes of scikit-learn (or its
``make_pipeline``), arguments must be literals or such estimators.
"""

from __future__ import annotations

import ast
import importlib
from functools import lru_cache
from typing import Any

from qbrix.errors import InvalidParameter, MissingExtra

_ROOT = "sklearn"
_EXAMPLE = "sklearn.linear_model.Ridge(alpha=1.0)"
_REFUSED = "memory"
"""A pipeline with this argument writes files."""


def estimator_of(text: str) -> Any:
    """A fresh estimator, with 0 for every random state that is left open.

    Raises
    ------
    InvalidParameter
        The text is none, or the estimator can neither predict a number nor a chance.
    MissingExtra
        scikit-learn is not installed.
    """
    base = importlib.import_module("sklearn.base")
    return base.clone(_template(text))


@lru_cache(maxsize=256)
def classifies(text: str) -> bool:
    """Whether the estimator predicts the chance of a reward of 1, not an expected reward."""
    return _is("classifier", _template(text))


def text_of(estimator: Any) -> str:
    """The text of an estimator: its class and the parameters that are not the default ones.

    Raises
    ------
    InvalidParameter
        A parameter is neither a literal nor an estimator.
    """
    text = _written(estimator)
    _template(text)
    return text


def _written(estimator: Any) -> str:
    owner = type(estimator)
    module = ".".join(part for part in owner.__module__.split(".") if not part.startswith("_"))
    usual = owner().get_params(deep=False) if _has_defaults(owner) else {}
    words = []
    for name, value in estimator.get_params(deep=False).items():
        if name not in usual or repr(value) != repr(usual[name]):
            words.append(f"{name}={_said(value)}")
    return f"{module}.{owner.__name__}({', '.join(words)})"


def _has_defaults(owner: type) -> bool:
    try:
        owner()
    except TypeError:
        return False
    return True


def _said(value: Any) -> str:
    if hasattr(value, "get_params"):
        return _written(value)
    if isinstance(value, list):
        return f"[{', '.join(_said(part) for part in value)}]"
    if isinstance(value, tuple):
        return f"({''.join(_said(part) + ', ' for part in value)})"
    return repr(value)


@lru_cache(maxsize=256)
def _template(text: str) -> Any:
    try:
        importlib.import_module(_ROOT)
    except ModuleNotFoundError:
        raise MissingExtra(f"estimator={text!r}", extra="notebook") from None
    try:
        made = _built(ast.parse(text.strip(), mode="eval").body, text)
    except (SyntaxError, TypeError, ValueError):
        raise _unclear(text) from None
    if not (_is("regressor", made) or (_is("classifier", made) and _has_chances(made))):
        raise InvalidParameter(
            f"estimator = {text!r}: expected a regressor, or a classifier with predict_proba; "
            "choose for example sklearn.linear_model.LogisticRegression()"
        )
    for name, value in made.get_params(deep=True).items():
        if name.rpartition("__")[2] == "random_state" and value is None:
            made.set_params(**{name: 0})
    return made


def _built(node: ast.expr, text: str) -> Any:
    """The object that an expression stands for."""
    if isinstance(node, ast.Call):
        words = {str(word.arg): _built(word.value, text) for word in node.keywords}
        if words.get(_REFUSED) is not None:
            raise _unclear(text)
        return _callable(node.func, text)(*[_built(item, text) for item in node.args], **words)
    if isinstance(node, (ast.List, ast.Tuple)):
        parts = [_built(item, text) for item in node.elts]
        return parts if isinstance(node, ast.List) else tuple(parts)
    return ast.literal_eval(node)


def _callable(node: ast.expr, text: str) -> Any:
    """The estimator class, or ``make_pipeline``, that a dotted name stands for."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id != _ROOT or len(names) < 2:
        raise _unclear(text)
    if any(name.startswith("_") for name in names) or {"tests", "externals"} & set(names):
        raise _unclear(text)
    name, *path = names
    try:
        module = importlib.import_module(".".join([_ROOT, *reversed(path)]))
        found = getattr(module, name)
    except (ImportError, AttributeError):
        raise _unclear(text) from None
    base = importlib.import_module("sklearn.base")
    if found is importlib.import_module("sklearn.pipeline").make_pipeline:
        return found
    if not (isinstance(found, type) and issubclass(found, base.BaseEstimator)):
        raise _unclear(text)
    return found


def _is(kind: str, estimator: Any) -> bool:
    base = importlib.import_module("sklearn.base")
    return hasattr(estimator, "fit") and bool(getattr(base, f"is_{kind}")(estimator))


def _has_chances(estimator: Any) -> bool:
    return hasattr(estimator, "predict_proba")


def _unclear(text: str) -> InvalidParameter:
    return InvalidParameter(
        f"estimator = {text!r}: expected an estimator of scikit-learn with literal arguments; "
        f"write for example {_EXAMPLE!r}, or FromEstimatorPolicy.of(estimator)"
    )
