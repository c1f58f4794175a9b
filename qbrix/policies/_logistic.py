r"""What logistic policies with disjoint arms share: one penalised logistic regression per arm.

With coefficients θ, context x and reward r of 0 or 1, an arm's objective is

.. math::

    F(\theta) = \frac{\lambda}{2} |\theta|^2
        + \sum_{\text{recent}} \ln\bigl(1 + e^{x^\top \theta}\bigr) - r\, x^\top \theta
        + \tfrac12 \theta^\top \Lambda\, \theta - \eta^\top \theta

The prior counts once, whatever the number of observations. The most recent ones are kept as they
are, so as long as there are no more of them than the window holds, F is the exact penalised
likelihood. An observation that leaves the window is replaced by its second-order expansion at the
coefficients of that moment, which adds :math:`w\, x x^\top` to Λ and
:math:`(w\, x^\top \theta + r - p)\, x` to η, with :math:`p = \sigma(x^\top \theta)` and
:math:`w = p (1 - p)`.

``update`` moves the coefficients of the state by one damped Newton step for each observation (where
features are many, by a longer one for several), ``prepare`` the whole way to the minimum of F. A
step that changes no log-odds in the window by more than 1 always descends: the second derivative
then varies by less than the factor e.

References
----------
Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*, Algorithm 3: the Laplace
approximation carried from batch to batch. Bach (2010), *Self-concordant analysis for logistic
regression*, section 2: the length of a safe step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Self, TypeVar, cast

import numpy as np

from qbrix.checks import check_context, check_features
from qbrix.policies._linear import Ridge, _pack, _pairs, _products, _rows, _square
from qbrix.policies.base import Policy
from qbrix.state import State, array, zeros
from qbrix.types import Array, IntArray, Interactions

_STEPS = 60
_CONVERGED = 1e-13
"""The square of a Newton step in its own metric, after which the next one is about as long."""
_PAUSE = 32
"""For every so many features a step waits for one observation more, and is as much longer."""
_BLOCK = 2**20
"""Numbers of an array that is made at once in ``prepare``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Laplace(State):
    """Λ and η of every arm, its coefficients and its last w observations.

    The place of the next observation is ``pulls`` modulo w; a place that was never used holds
    zeros, which add nothing to any sum.
    """

    precision: Array = array("K", "p")
    moment: Array = array("K", "d")
    coefficients: Array = array("K", "d")
    recent_contexts: Array = array("K", "w", "d")
    recent_rewards: Array = array("K", "w")
    pulls: Array = array("K")


S = TypeVar("S", bound=Laplace)
P = TypeVar("P", bound=Ridge)


class LogisticPolicy(Policy[S, P], Generic[S, P]):
    """Base of policies with one logistic regression per arm; the three names are their fields."""

    __slots__ = ()

    lambda_: float
    lr: float
    window: int

    @classmethod
    def example(cls) -> Self:
        """A window that the first observations soon leave."""
        return cls(window=8)  # type: ignore[call-arg]

    def init(self, *, n_arms: int, dim: int = 0) -> S:
        """The state before the first interaction; ``dim`` is at least 1."""
        check_features(dim, owner=type(self).__name__)
        pairs = dim * (dim + 1) // 2
        state = zeros(self.state_type, K=n_arms, d=dim, p=pairs, w=self.window)
        return cast(S, state)

    def prepare(self, state: S) -> P:
        """The minimum of F and the inverse of its second derivative there, for every arm."""
        return cast(P, self.solved(state))

    def solved(self, state: S) -> Ridge:
        """As many arms at once as memory should hold."""
        n_arms, size, dim = state.recent_contexts.shape[-3:]
        leading = state.pulls.shape[:-1]
        count = int(np.prod(leading, dtype=np.int64)) * n_arms
        coefficients, inverse = np.empty((count, dim)), np.empty((count, dim * (dim + 1) // 2))
        several = max(1, _BLOCK // (dim * max(size, dim)))
        for low in range(0, count, several):
            some = np.arange(low, min(low + several, count))
            start = state.coefficients.reshape(-1, dim)[some]
            coefficients[some], inverse[some] = self._minimum(state, some, start)
        return Ridge(
            coefficients=coefficients.reshape(*leading, n_arms, dim),
            inverse=inverse.reshape(*leading, n_arms, inverse.shape[-1]),
        )

    def advance(self, prepared: P, state: S, batch: Interactions) -> P:
        """Solve anew for the arms that were observed."""
        n_arms, dim = state.coefficients.shape[-2:]
        coefficients = prepared.coefficients.reshape(-1, dim, copy=False)
        inverse = prepared.inverse.reshape(-1, prepared.inverse.shape[-1], copy=False)
        for index, _, _ in _rows(batch, n_arms):
            known = coefficients[index]
            coefficients[index], inverse[index] = self._minimum(state, index, known)
        return prepared

    def update_in_place(self, state: S, batch: Interactions) -> None:
        """Let each row into its arm's window, the oldest out of it, and step when it is due."""
        n_arms, size, dim = state.recent_contexts.shape[-3:]
        contexts = state.recent_contexts.reshape(-1, size, dim, copy=False)
        rewards = state.recent_rewards.reshape(-1, size, copy=False)
        pulls = state.pulls.reshape(-1, copy=False)
        precision = state.precision.reshape(-1, state.precision.shape[-1], copy=False)
        moment = state.moment.reshape(-1, dim, copy=False)
        coefficients = state.coefficients.reshape(-1, dim, copy=False)
        pause = max(1, min(dim // _PAUSE, size // 2))
        share = 1.0 - (1.0 - self.lr) ** pause
        for index, x, paid in _rows(batch, n_arms):
            at = (pulls[index] % size).astype(np.int64)
            old, known = contexts[index, at], coefficients[index]
            odds = (old * known).sum(-1)
            p = sigmoid(odds)
            weight = p * (1.0 - p)
            precision[index] += weight[:, None] * _pairs(old, old)
            moment[index] += (weight * odds + rewards[index, at] - p)[:, None] * old
            contexts[index, at], rewards[index, at] = x, paid
            pulls[index] += 1.0
            due = index[pulls[index] % pause == 0.0]
            if due.size:
                step, reach, _, _ = self._newton(state, due, coefficients[due])
                coefficients[due] += np.minimum(share, 1.0 / np.maximum(reach, 1.0))[:, None] * step

    def estimate(self, prepared: Ridge, context: Array | None) -> tuple[Array, Array]:
        """Log-odds xᵀθ and their posterior standard deviation √(xᵀH⁻¹x) per arm, both (..., K)."""
        dim = prepared.coefficients.shape[-1]
        x = check_context(context, dim=dim, owner=type(self).__name__)
        square = _products(prepared.inverse, _pairs(x, x))
        return _products(prepared.coefficients, x), np.sqrt(np.maximum(square, 0.0))

    def _minimum(self, state: S, index: IntArray, found: Array) -> tuple[Array, Array]:
        """Coefficients (m, d) and packed inverse (m, p) for some of the flattened arms.

        ``found`` is where the search begins, and is written into.
        """
        far = np.arange(len(index))
        for _ in range(_STEPS):
            step, reach, decrement, _ = self._newton(state, index[far], found[far])
            found[far] += step / np.maximum(reach, 1.0)[:, None]
            far = far[decrement > _CONVERGED]
            if not far.size:
                break
        second = self._newton(state, index, found)[3]
        return found, _pack(cast(Array, np.linalg.inv(second)))

    def _newton(self, state: S, index: IntArray, at: Array) -> tuple[Array, Array, Array, Array]:
        """Newton's step for F at some coefficients (m, d).

        Returns
        -------
        step : Array, shape (m, d)
        reach : Array, shape (m,)
            By how much the step changes the log-odds of a recent context, at most.
        decrement : Array, shape (m,)
            Squared length of the step in the metric of the second derivative.
        second : Array, shape (m, d, d)
            The second derivative.
        """
        size, dim = state.recent_contexts.shape[-2:]
        contexts = state.recent_contexts.reshape(-1, size, dim)[index]
        rewards = state.recent_rewards.reshape(-1, size)[index]
        packed = state.precision.reshape(-1, state.precision.shape[-1])[index]
        frozen = packed.take(_square(dim), axis=-1) + self.lambda_ * np.eye(dim)
        p = sigmoid((contexts @ at[..., None])[..., 0])
        across = contexts.swapaxes(-1, -2)
        second = frozen + (across * (p * (1.0 - p))[:, None, :]) @ contexts
        downhill = state.moment.reshape(-1, dim)[index] - (frozen @ at[..., None])[..., 0]
        downhill += (across @ (rewards - p)[..., None])[..., 0]
        step = cast(Array, np.linalg.solve(second, downhill[..., None]))[..., 0]
        reach = np.abs((contexts @ step[..., None])[..., 0]).max(-1)
        return step, reach, (step * downhill).sum(-1), second


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(−z)); beyond ±500 it is as good as 0 or 1."""
    p: Array = 1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0)))
    return p
