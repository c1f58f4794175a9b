"""The law of an export: replayed elsewhere, the golden trace comes out the same.

* States are equal to the bit after every update. A policy that declares ``bits="close"`` is
  followed step by step instead: each recorded state, updated, gives the next one to 1e-9.
* Propensities are equal to 1e-10; a law that jumps is excused at a near tie only (`ties`).
* Every arm follows from its law and its uniform number, to the bit.

The replay does not repeat the order of the recording: states run three versions ahead, and the
decisions of a version are taken last to first. A policy that remembers something outside its
state cannot follow.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from qbrix.bundle.ties import JUMP, is_near_tie
from qbrix.bundle.trace import Trace, check_law
from qbrix.errors import BundleError
from qbrix.policies.base import Policy
from qbrix.state import State, arrays_of, digest, from_bytes
from qbrix.types import Array, IntArray

__all__ = ["Replay"]

LAW_TOLERANCE = 1e-10
STATE_TOLERANCE = 1e-9

_AHEAD = 3
_WHY = (
    "a policy may depend on its hyper-parameters, state, context and mask only: "
    "no randomness, time, notebook variables or memory of its own"
)


class Replay:
    """One pass over a trace, and the errors it met.

    Parameters
    ----------
    policy : Policy
    trace : Trace

    Attributes
    ----------
    max_propensity_error, max_state_error : float
        Largest absolute difference; state errors are 0 when bits are exact.
    near_ties : int
        Steps whose law was on the other side of a jump.
    """

    def __init__(self, policy: Policy[Any, Any], trace: Trace) -> None:
        self.max_propensity_error = 0.0
        self.max_state_error = 0.0
        self.near_ties = 0
        self._policy = policy
        self._trace = trace

    def run(self, start: State) -> None:
        """Replay from ``start``; raises `BundleError` (``trace``) at the first difference."""
        trace = self._trace
        trace.check_draws()
        self._check_state(start, version=0)
        ahead = deque([(0, start)])
        state = start
        for index in range(trace.updates):
            state = self._policy.update(self._recorded(state, version=index), trace.batch(index))
            self._check_state(state, version=index + 1)
            ahead.append((index + 1, state))
            if len(ahead) > _AHEAD:
                self._check_decisions(*ahead.popleft())
        while ahead:
            self._check_decisions(*ahead.popleft())

    def _recorded(self, state: State, *, version: int) -> State:
        if not self._trace.states:
            return state
        return from_bytes(type(state), self._trace.states[version])

    def _check_state(self, state: State, *, version: int) -> None:
        if not self._trace.states:
            if digest(state) != self._trace.digests[version]:
                raise BundleError(
                    "trace",
                    f"the state after update {version} has the digest {digest(state)[:12]}…, "
                    f"recorded was {self._trace.digests[version][:12]}…; {_WHY}",
                )
            return
        for (name, got), (_, wanted) in zip(
            arrays_of(state), arrays_of(self._recorded(state, version=version)), strict=True
        ):
            scaled = np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted))
            error = float(scaled.max(initial=0.0))
            if got.shape != wanted.shape or not error <= STATE_TOLERANCE:
                raise BundleError(
                    "trace", f"state.{name} after update {version} is off by {error:.3g}; {_WHY}"
                )
            self.max_state_error = max(self.max_state_error, error)

    def _check_decisions(self, version: int, state: State) -> None:
        state = self._recorded(state, version=version)
        prepared = self._policy.prepare(state)
        steps = np.flatnonzero(self._trace.versions == version)[::-1]
        laws: dict[int, Array] = {}  # by mask, without context
        for step in steps:
            self._check_decision(int(step), state, prepared, laws)
        self._check_together(steps, state, prepared)
        if digest(state) != self._trace.digests[version]:
            raise BundleError(
                "trace",
                f"{type(self._policy).__name__} writes into the state that it is given; "
                "copy what you change (qbrix.state.copy_state)",
            )

    def _check_decision(
        self, step: int, state: State, prepared: Any, laws: dict[int, Array]
    ) -> None:
        trace, policy = self._trace, self._policy
        context, mask, recorded = trace.context(step), trace.mask(step), trace.laws[step]
        law = laws.get(int(trace.masked[step])) if context is None else None
        if law is None:
            law = policy.propensities(prepared, context, mask=mask)
            check_law(law, mask, n_arms=len(recorded), owner=type(policy).__name__)
            laws[int(trace.masked[step])] = law
        error = _distance(law, recorded)
        if not error <= LAW_TOLERANCE:
            if not self._is_excused(error, state, context, mask, recorded):
                raise BundleError(
                    "trace", f"step {step}: the propensities are off by {error:.3g}; {_WHY}"
                )
            self.near_ties += 1
            return
        self.max_propensity_error = max(self.max_propensity_error, error)
        if trace.recorded.shape[1]:
            noted = policy.record(prepared, context, np.asarray(trace.arms[step]), mask=mask)
            if noted is None or not np.allclose(noted, trace.recorded[step], 1e-10, 1e-10):
                raise BundleError("trace", f"step {step}: `record` returns other numbers; {_WHY}")

    def _check_together(self, steps: IntArray, state: State, prepared: Any) -> None:
        """One state and a batch of contexts (B, d), which serving and the notebook ask for too."""
        trace, owner = self._trace, type(self._policy).__name__
        steps = steps[trace.masked[steps] < 0]
        if not (len(steps) and trace.contexts.shape[1]):
            return
        laws = self._policy.propensities(prepared, trace.contexts[steps])
        recorded = trace.laws[steps]
        if laws.shape != recorded.shape:
            raise BundleError(
                "trace",
                f"{owner}.propensities answers a batch of contexts of shape (B, d) with shape "
                f"{laws.shape}, expected {recorded.shape}: write it for any leading axes",
            )
        for step, law in zip(steps.tolist(), laws, strict=True):
            error, context = _distance(law, trace.laws[step]), trace.context(step)
            excused = error <= LAW_TOLERANCE or self._is_excused(error, state, context, None, law)
            if not excused:
                raise BundleError(
                    "trace",
                    f"{owner}.propensities gives a context in a batch another law than alone "
                    f"(off by {error:.3g}); the contexts of a batch must not see each other",
                )

    def _is_excused(
        self, error: float, state: State, context: Array | None, mask: Any, other: Array
    ) -> bool:
        return error > JUMP and is_near_tie(
            self._policy,
            state,
            context=context,
            mask=mask,
            accepts=lambda law: _distance(law, other) <= LAW_TOLERANCE,
        )


def _distance(law: Array, recorded: Array) -> float:
    return float(np.abs(law - recorded).max())
