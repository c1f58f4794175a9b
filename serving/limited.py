"""Time limits for code that somebody else wrote: a promoted policy that never returns.

Each call runs in a thread of its own. One that takes too long is given up: its thread is told to
end (an exception is raised in it, which ends any loop in Python), and the code is not called again
for a while. What sits in a call of the system that never returns stays; there may be only a few.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType, new_class
from typing import Any, Generic, TypeVar

from qbrix.bundle import BundleResolver
from qbrix.errors import BundleError
from qbrix.ledger import PolicyRef
from qbrix.policies.base import Policy
from qbrix.state import State

__all__ = ["Limit", "LimitedResolver"]

T = TypeVar("T")

_FOREIGN = ("init", "grow", "prepare", "propensities", "record", "update")
_LOOK_S = 0.05
_LOST = 4  # threads that did not end


class _Expired(BaseException):
    """Raised in a thread whose time is up."""


class _Outcome(Generic[T]):
    """What a call returned or raised."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: BaseException | None = None

    def __enter__(self) -> _Outcome[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        self.error = error
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Allowed:
    """Seconds of a processor, and seconds on the clock (a busy machine is nobody's fault)."""

    busy_s: float
    passed_s: float


class Limit:
    """How long code of a bundle may take, and which one took longer lately."""

    def __init__(
        self,
        *,
        busy_s: float = 2.0,
        passed_s: float = 10.0,
        pause_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._usual = _Allowed(busy_s=busy_s, passed_s=passed_s)
        self._pause_s = pause_s
        self._clock = clock
        self._paused: dict[str, float] = {}
        self._lost: list[threading.Thread] = []
        self._inside = threading.local()

    @property
    def stalled(self) -> list[str]:
        """Bundles whose code is not called for now."""
        return [sha256 for sha256, until_s in self._paused.items() if until_s > self._clock()]

    def call(self, sha256: str, work: Callable[[], T], *, times: float = 1.0) -> T:
        """What ``work`` returns or raises, which is code of this bundle.

        Raises BundleError when it does not return in time, ``times`` the usual one, or did not
        lately.
        """
        if getattr(self._inside, "thread", False):  # of the same call
            return work()
        self._check(sha256)
        outcome: _Outcome[T] = _Outcome()
        thread = threading.Thread(
            target=copy_context().run, args=(self._run, work, outcome), daemon=True
        )
        thread.start()
        if not self._returns(thread, times=times):
            self._give_up(sha256, thread)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[return-value]

    def _check(self, sha256: str) -> None:
        self._lost = [thread for thread in self._lost if thread.is_alive()]
        if self._paused.get(sha256, 0.0) > self._clock():
            raise BundleError(
                "stalled",
                f"code of the bundle {sha256[:12]} did not return lately; it is left alone for "
                "a while; promote another bundle",
            )
        if len(self._lost) >= _LOST:
            raise BundleError(
                "stalled",
                f"{len(self._lost)} calls of promoted code never returned; restart this process",
            )

    def _run(self, work: Callable[[], T], outcome: _Outcome[T]) -> None:
        self._inside.thread = True
        with outcome:
            outcome.value = work()

    def _returns(self, thread: threading.Thread, *, times: float) -> bool:
        busy_s, passed_s = times * self._usual.busy_s, times * self._usual.passed_s
        began_s = time.monotonic()
        thread.join(busy_s)  # no thread is busier than the clock
        while thread.is_alive():
            if _busy_s(thread) > busy_s or time.monotonic() - began_s > passed_s:
                return False
            thread.join(_LOOK_S)
        return True

    def _give_up(self, sha256: str, thread: threading.Thread) -> None:
        ident = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(_Expired))
        thread.join(_LOOK_S)
        if thread.is_alive():
            self._lost.append(thread)
        self._paused[sha256] = self._clock() + self._pause_s
        raise BundleError(
            "stalled", f"code of the bundle {sha256[:12]} did not return in time; it was given up"
        )


class LimitedResolver:
    """A `BundleResolver` whose bundles' policies are called within a limit."""

    def __init__(self, resolver: BundleResolver, limit: Limit) -> None:
        self._resolver = resolver
        self._limit = limit
        self._classes: dict[str, type[Policy[Any, Any]]] = {}

    def policy(self, ref: PolicyRef) -> Policy[Any, Any]:
        """See `BundleResolver`."""
        sha256 = ref.bundle
        if sha256 is None:
            return self._resolver.policy(ref)
        return self._limit.call(sha256, lambda: self._limited(ref, sha256))

    def bundle_state(self, ref: PolicyRef) -> State:
        """See `BundleResolver`."""
        return self._limit.call(str(ref.bundle), lambda: self._resolver.bundle_state(ref))

    def _limited(self, ref: PolicyRef, sha256: str) -> Policy[Any, Any]:
        policy = self._resolver.policy(ref)
        if sha256 not in self._classes:
            self._classes[sha256] = _limited_class(type(policy), sha256, self._limit)
        return self._classes[sha256](**policy.parameters())


def _limited_class(
    policy_class: type[Policy[Any, Any]], sha256: str, limit: Limit
) -> type[Policy[Any, Any]]:
    """The same policy under the same name, each of its functions called within the limit."""

    def within(name: str) -> Callable[..., Any]:
        function = getattr(policy_class, name)

        def call(self: Policy[Any, Any], *arguments: Any, **named: Any) -> Any:
            return limit.call(sha256, lambda: function(self, *arguments, **named))

        return call

    body: dict[str, Any] = {name: within(name) for name in _FOREIGN}
    body |= {"__slots__": (), "__module__": policy_class.__module__}
    return new_class(policy_class.__name__, (policy_class,), {}, lambda made: made.update(body))


def _busy_s(thread: threading.Thread) -> float:
    """Processor time of a thread; none where the system does not tell (then the clock counts)."""
    try:
        spent = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text("ascii")
    except OSError:
        return 0.0
    return int(spent.split()[0]) / 1e9
