"""Every error that qbrix raises on purpose.

::

    QbrixError
    ├── InvalidParameter   (ValueError)    a hyper-parameter or argument outside its range
    ├── ShapeError         (ValueError)    an array of the wrong shape or width
    ├── SupportError       (ValueError)    a reward that the policy cannot learn from
    ├── StateMismatch      (ValueError)    a state that belongs to another policy or size
    ├── UnknownName        (LookupError)   a name that no registry knows, with a suggestion
    ├── MissingExtra       (ImportError)   an optional dependency that is not installed
    ├── BundleError        (.reason)       a bundle that cannot be made, read or trusted
    └── ServingError
        ├── InvalidRequest (.code)
        ├── NotFound
        ├── Conflict
        ├── Unauthorised   (.code)
        ├── Forbidden      (.code)
        ├── TokenRejected  (.reason)
        ├── RateLimited    (.retry_after_s)
        └── Unavailable    (.retry_after_s)

A message says what was wrong (name and value), what was expected, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = [
    "BundleError",
    "Conflict",
    "Forbidden",
    "InvalidParameter",
    "InvalidRequest",
    "MissingExtra",
    "NotFound",
    "QbrixError",
    "RateLimited",
    "ServingError",
    "ShapeError",
    "StateMismatch",
    "SupportError",
    "TokenRejected",
    "Unauthorised",
    "Unavailable",
    "UnknownName",
]


class QbrixError(Exception):
    """Root of the tree: catch this to catch everything that qbrix raises on purpose."""


class InvalidParameter(QbrixError, ValueError):
    """A hyper-parameter or argument lies outside what is declared for it."""


class ShapeError(QbrixError, ValueError):
    """An array has a shape that does not fit the others."""


class SupportError(QbrixError, ValueError):
    """A reward is not finite or lies outside the support that the policy declares."""


class StateMismatch(QbrixError, ValueError):
    """A state does not belong to this policy, or not to this number of arms or features."""


class UnknownName(QbrixError, LookupError):
    """A name that is not registered; the message suggests the nearest ones."""

    def __init__(
        self, kind: str, name: str, *, known: Iterable[str], near: Sequence[str] | None = None
    ) -> None:
        names = sorted(known)
        if near is None:
            near = get_close_matches(str(name), names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class MissingExtra(QbrixError, ImportError):
    """An optional dependency is absent; the message names the extra that brings it."""

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(f"{feature} needs the extra: pip install 'qbrix-lab[{extra}]'")


class BundleError(QbrixError):
    """A bundle cannot be made, read or trusted.

    ``reason`` is one word for programs: ``main``, ``format``, ``digest``, ``unsigned``,
    ``untrusted``, ``signature``, ``trace``, ``source``, ``fit`` (made for other arms or features),
    ``prepare``, ``propensities``, ``update``, ``decide`` (what the foreign code failed to do), or
    ``stalled`` (it did not return in time).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ServingError(QbrixError):
    """Root of what the serving system refuses; each transport translates it by one table."""


class InvalidRequest(ServingError):
    """A request that can never succeed as it is. ``code`` is the wire's upper-snake word."""

    def __init__(self, message: str, *, code: str = "VALIDATION_ERROR") -> None:
        super().__init__(message)
        self.code = code


class NotFound(ServingError):
    """The resource does not exist for this tenant. ``kind`` is e.g. ``experiment``."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"no {kind} {identifier!r}; check the id and the API key's workspace")
        self.kind = kind
        self.identifier = identifier


class Conflict(ServingError):
    """The request contradicts what is stored. ``code`` is the wire's upper-snake word."""

    def __init__(self, message: str, *, code: str = "CONFLICT") -> None:
        super().__init__(message)
        self.code = code


class Unauthorised(ServingError):
    """No credential, or one that is not valid. ``code`` is the wire's upper-snake word."""

    def __init__(self, message: str, *, code: str = "UNAUTHORIZED") -> None:
        super().__init__(message)
        self.code = code


class Forbidden(ServingError):
    """The credential is valid but lacks a scope. ``code`` is the wire's upper-snake word."""

    def __init__(self, message: str, *, code: str = "INSUFFICIENT_SCOPES") -> None:
        super().__init__(message)
        self.code = code


class TokenRejected(ServingError):
    """A decision token that is not ours. ``reason``: ``forged``, ``expired``, ``tenant``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RateLimited(ServingError):
    """Too many requests; try again after ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(ServingError):
    """A store or role is away; try again after ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
