"""What a careful programmer would write by hand: one compiled loop per policy, nothing general.

Each loop plays R replications of T rounds and returns their pseudo-regret. Same algorithms, same
laws as the policies: ties share evenly, unobserved arms first, exploration over all arms. One
processor core, no temporaries; what a policy computes anew each round is kept up to date here.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.speed.compiled import compiled, inlined
from qbrix.policies.kernels.chance import Stream, beta, uniform
from qbrix.types import Array

__all__ = [
    "beta_ts",
    "beta_ts_once",
    "epsilon_greedy",
    "exp3",
    "kl_ucb",
    "seeded",
    "ucb1",
]

_TIE = 1e-9


def seeded(seed: int) -> Stream:
    """A random stream for the loops."""
    return np.random.SeedSequence(seed).generate_state(2, np.uint64).astype(np.uint64)


@inlined
def _first_best(scores: Array, state: Stream) -> int:
    """Index of the largest score; ties by reservoir sampling."""
    best, arm, several = scores[0], 0, 1
    for k in range(1, scores.size):
        score = scores[k]
        if score > best + _TIE:
            best, arm, several = score, k, 1
        elif score >= best - _TIE:
            several += 1
            if uniform(state) * several < 1.0:
                arm = k
    return arm


@compiled
def beta_ts(means: Array, horizon: int, replications: int, state: Stream) -> Array:
    """Thompson sampling with Beta(1, 1) priors."""
    n_arms = means.size
    top = means.max()
    regret = np.zeros(replications)
    d, c = np.empty((2, n_arms)), np.empty((2, n_arms))
    for r in range(replications):
        d[:] = 2.0 / 3.0
        c[:] = 1.0 / math.sqrt(6.0)
        lost = 0.0
        for _ in range(horizon):
            best, arm = -1.0, 0
            for k in range(n_arms):
                score = beta(state, d[0, k], c[0, k], d[1, k], c[1, k])
                if score > best:
                    best, arm = score, k
            failed = 0 if uniform(state) < means[arm] else 1
            d[failed, arm] += 1.0
            c[failed, arm] = 1.0 / math.sqrt(9.0 * d[failed, arm])
            lost += top - means[arm]
        regret[r] = lost
    return regret


@compiled
def beta_ts_once(d: Array, c: Array, state: Stream) -> int:
    """One Thompson decision from prepared shapes (2, K)."""
    best, arm = -1.0, 0
    for k in range(d.shape[1]):
        score = beta(state, d[0, k], c[0, k], d[1, k], c[1, k])
        if score > best:
            best, arm = score, k
    return arm


@compiled
def epsilon_greedy(
    means: Array, horizon: int, replications: int, state: Stream, eps: float
) -> Array:
    """ε-greedy: means are kept per arm, so that a round divides once."""
    n_arms = means.size
    top = means.max()
    regret = np.zeros(replications)
    pulls, total, score = np.empty(n_arms), np.empty(n_arms), np.empty(n_arms)
    for r in range(replications):
        pulls[:], total[:], score[:] = 0.0, 0.0, 2.0
        lost = 0.0
        for t in range(horizon):
            u = uniform(state)
            if t >= n_arms and u < eps:
                arm = int(u / eps * n_arms)
            else:
                arm = _first_best(score, state)
            pulls[arm] += 1.0
            total[arm] += 1.0 if uniform(state) < means[arm] else 0.0
            score[arm] = total[arm] / pulls[arm]
            lost += top - means[arm]
        regret[r] = lost
    return regret


@compiled
def ucb1(means: Array, horizon: int, replications: int, state: Stream) -> Array:
    """UCB1: an arm's mean and root are kept; logarithms of the rounds are computed once for all."""
    n_arms = means.size
    top = means.max()
    regret = np.zeros(replications)
    width = np.sqrt(2.0 * np.log(np.arange(1.0, horizon + 1.0)))
    pulls, total = np.empty(n_arms), np.empty(n_arms)
    mean, root, score = np.empty(n_arms), np.empty(n_arms), np.empty(n_arms)
    for r in range(replications):
        pulls[:], total[:], mean[:], root[:] = 0.0, 0.0, 0.0, 0.0
        lost = 0.0
        for t in range(horizon):
            if t < n_arms:
                arm = _unobserved(pulls, n_arms - t, state)
            else:
                for k in range(n_arms):
                    score[k] = mean[k] + width[t] * root[k]
                arm = _first_best(score, state)
            pulls[arm] += 1.0
            total[arm] += 1.0 if uniform(state) < means[arm] else 0.0
            mean[arm] = total[arm] / pulls[arm]
            root[arm] = 1.0 / math.sqrt(pulls[arm])
            lost += top - means[arm]
        regret[r] = lost
    return regret


@inlined
def _x_log_x(x: float) -> float:
    return x * math.log(x) if x > 0.0 else 0.0


@compiled
def _solve(p: float, entropy: float, floor: float, level: float, start: float) -> float:
    """u = -ln(1 - q) for the largest q with kl(p, q) <= level, by Newton's method from ``start``.

    The divergence is convex in u: a step from the left lands right of the root, where the
    straight line that bounds the divergence from below ends it, and from there it descends.
    """
    rest = 1.0 - p
    bound = (level - entropy) / rest
    u = bound if start <= floor else min(start, bound)
    for _ in range(50):
        q = 1.0 - math.exp(-u)
        value = entropy - level + rest * u - (p * math.log(q) if p > 0.0 else 0.0)
        moved = min(max(u - value * q / max(q - p, 1e-300), floor), bound)
        small = abs(moved - u) <= 1e-6 * (u - floor)
        u = moved
        if small:
            break
    return u


@inlined
def _largest_index(
    leader: int,
    log_t: float,
    pulls: Array,
    mean: Array,
    entropy: Array,
    floor: Array,
    last: Array,
    state: Stream,
) -> int:
    """The arm of the largest index; ``leader``, the last choice, is solved first.

    Another arm is solved only if its divergence at the best index so far does not rule it out.
    """
    best, arm, several = _index(leader, log_t, pulls, mean, entropy, floor, last), leader, 1
    near = best - _TIE
    log_near, log_rest = math.log(near), math.log(1.0 - near)
    for k in range(pulls.size):
        p = mean[k]
        divergence = entropy[k] - p * log_near - (1.0 - p) * log_rest
        if k == leader or (p < near and divergence * pulls[k] > log_t):
            continue
        index = _index(k, log_t, pulls, mean, entropy, floor, last)
        if index > best + _TIE:
            best, arm, several = index, k, 1
            near = best - _TIE
            log_near, log_rest = math.log(near), math.log(1.0 - near)
        elif index >= near:
            several += 1
            if uniform(state) * several < 1.0:
                arm = k
    return arm


@inlined
def _index(
    k: int, log_t: float, pulls: Array, mean: Array, entropy: Array, floor: Array, last: Array
) -> float:
    if mean[k] >= 1.0:
        return 1.0
    last[k] = _solve(mean[k], entropy[k], floor[k], log_t / pulls[k], last[k])
    return max(float(mean[k]), 1.0 - math.exp(-last[k]))


@compiled
def kl_ucb(means: Array, horizon: int, replications: int, state: Stream) -> Array:
    """KL-UCB, c = 0. Logarithms of an arm are kept; Newton's method goes on where it stopped."""
    n_arms = means.size
    top = means.max()
    regret = np.zeros(replications)
    pulls, total, mean = np.empty(n_arms), np.empty(n_arms), np.empty(n_arms)
    entropy, floor, last = np.empty(n_arms), np.empty(n_arms), np.empty(n_arms)
    for r in range(replications):
        pulls[:], total[:], mean[:] = 0.0, 0.0, 0.0
        entropy[:], floor[:], last[:] = 0.0, 0.0, 0.0
        lost, arm = 0.0, 0
        for t in range(horizon):
            if t < n_arms:
                arm = _unobserved(pulls, n_arms - t, state)
            else:
                log_t = math.log(t + 1.0)
                arm = _largest_index(arm, log_t, pulls, mean, entropy, floor, last, state)
            pulls[arm] += 1.0
            if uniform(state) < means[arm]:
                total[arm] += 1.0
            p = total[arm] / pulls[arm]
            mean[arm] = p
            entropy[arm] = _x_log_x(p) + _x_log_x(1.0 - p)
            floor[arm] = -math.log(1.0 - p) if p < 1.0 else math.inf
            lost += top - means[arm]
        regret[r] = lost
    return regret


@inlined
def _unobserved(pulls: Array, count: int, state: Stream) -> int:
    """One of the ``count`` arms without an observation."""
    skip = int(uniform(state) * count)
    for k in range(pulls.size):
        if pulls[k] == 0.0:
            if skip == 0:
                return k
            skip -= 1
    return 0


@compiled
def exp3(means: Array, horizon: int, replications: int, state: Stream, gamma: float) -> Array:
    """EXP3 with incremental weights: one exponential a round, scaled down before they overflow."""
    n_arms = means.size
    top = means.max()
    rate = gamma / n_arms
    regret = np.zeros(replications)
    weights = np.empty(n_arms)
    for r in range(replications):
        weights[:] = 1.0
        whole, lost = float(n_arms), 0.0
        for _ in range(horizon):
            u = uniform(state)
            if u < gamma:
                arm = int(u / gamma * n_arms)
            else:
                rest = uniform(state) * whole
                arm = 0
                while arm < n_arms - 1 and rest >= weights[arm]:
                    rest -= weights[arm]
                    arm += 1
            if uniform(state) < means[arm]:
                propensity = (1.0 - gamma) * weights[arm] / whole + rate
                grown = weights[arm] * math.exp(rate / propensity)
                whole += grown - weights[arm]
                weights[arm] = grown
                if whole > 1e100:
                    weights *= 1e-100
                    whole = weights.sum()
            lost += top - means[arm]
        regret[r] = lost
    return regret
