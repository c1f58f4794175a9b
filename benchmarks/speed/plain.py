"""What one would write by hand: the textbook's loop, compiled, with numba's own draws.

The same laws as in `loops`, without their tricks: no generator of our own, no constants kept, the
means divided anew in every round.
"""

from __future__ import annotations

import numpy as np

from benchmarks.speed.compiled import compiled
from qbrix.policies.kernels.chance import Stream
from qbrix.types import Array

__all__ = ["beta_ts", "epsilon_greedy"]

_TIE = 1e-9


@compiled
def beta_ts(means: Array, horizon: int, replications: int, state: Stream) -> Array:
    """Thompson sampling with Beta(1, 1) priors."""
    np.random.seed(state[0] & 0xFFFFFFFF)  # noqa: NPY002 - numba's generator inside the loop
    n_arms = means.size
    regret = np.zeros(replications)
    for r in range(replications):
        successes, failures = np.ones(n_arms), np.ones(n_arms)
        for _ in range(horizon):
            best, arm = -1.0, 0
            for k in range(n_arms):
                score = np.random.beta(successes[k], failures[k])  # noqa: NPY002
                if score > best:
                    best, arm = score, k
            if np.random.random() < means[arm]:  # noqa: NPY002
                successes[arm] += 1.0
            else:
                failures[arm] += 1.0
            regret[r] += means.max() - means[arm]
    state[0] += 1
    return regret


@compiled
def epsilon_greedy(
    means: Array, horizon: int, replications: int, state: Stream, eps: float
) -> Array:
    """ε-greedy; every arm once, ties evenly."""
    np.random.seed(state[0] & 0xFFFFFFFF)  # noqa: NPY002
    n_arms = means.size
    regret = np.zeros(replications)
    for r in range(replications):
        pulls, total = np.zeros(n_arms), np.zeros(n_arms)
        order = np.random.permutation(n_arms)  # noqa: NPY002
        for t in range(horizon):
            if t < n_arms:
                arm = order[t]
            elif np.random.random() < eps:  # noqa: NPY002
                arm = np.random.randint(n_arms)  # noqa: NPY002
            else:
                best, arm, several = -np.inf, 0, 0
                for k in range(n_arms):
                    score = total[k] / pulls[k]
                    if score > best + _TIE:
                        best, arm, several = score, k, 1
                    elif score >= best - _TIE:
                        several += 1
                        if np.random.random() * several < 1.0:  # noqa: NPY002
                            arm = k
            pulls[arm] += 1.0
            if np.random.random() < means[arm]:  # noqa: NPY002
                total[arm] += 1.0
            regret[r] += means.max() - means[arm]
    state[0] += 1
    return regret
