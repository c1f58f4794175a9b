"""Constants of Bernoulli bandits that no policy can beat: references to draw and to compare with.

They are limits, as the number of rounds grows or the probability of an error falls. None of them
bounds what happens in finite time: compare slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.types import Array, BoolArray

__all__ = ["bernoulli_divergence", "characteristic_time", "lai_robbins", "optimal_proportions"]

_EDGE = 1e-12
"""Means are kept this far from 0 and 1 where the best proportions are sought."""
_STEPS = 60
"""Most steps of a search; Newton's method takes about six, halving an interval gets to 1e-18."""
_JOINT_STEPS = 6
_TOLERANCE = 1e-7
"""Relative size of the last step; what is left is about its square."""

Means = Sequence[float] | Array


def bernoulli_divergence(p: Array, q: Array) -> Array:
    r"""Kullback–Leibler divergence between coins, elementwise.

    .. math:: \mathrm{kl}(p, q) = p \ln\frac{p}{q} + (1 - p) \ln\frac{1 - p}{1 - q}

    Parameters
    ----------
    p, q : Array in [0, 1], broadcastable to a common shape

    Returns
    -------
    Array
        0 for p = q, infinite where q excludes what p allows. For near p and q the relative error
        is that of one rounding divided by their distance.

    Examples
    --------
    >>> bernoulli_divergence(np.array([0.5, 0.5]), np.array([0.5, 1.0]))
    array([ 0., inf])
    """
    rise = q - p
    rest = 1.0 - p
    with np.errstate(divide="ignore", invalid="ignore"):
        heads = np.where(p > 0.0, p * np.log1p(rise / p), 0.0)
        tails = np.where(rest > 0.0, rest * np.log1p(-rise / rest), 0.0)
    divergence: Array = np.maximum(-(heads + tails), 0.0)
    return divergence


def lai_robbins(means: Means) -> float:
    r"""Slope of the least regret against ln T, for Bernoulli arms.

    .. math:: \liminf_{T \to \infty} \frac{R_T}{\ln T} \ge
        \sum_{a : \Delta_a > 0} \frac{\Delta_a}{\mathrm{kl}(\mu_a, \mu^*)}

    for every policy whose regret is less than any power of T whatever the means.

    Parameters
    ----------
    means : K numbers in [0, 1]

    Returns
    -------
    float

    Raises
    ------
    InvalidParameter
        A mean is no probability.

    Examples
    --------
    >>> round(lai_robbins([0.9, 0.8]), 4)
    2.2521

    References
    ----------
    Lai and Robbins (1985), *Asymptotically Efficient Adaptive Allocation Rules*, Theorem 1.
    """
    values = _checked(means, name="lai_robbins")
    best = values.max()
    worse = values[values < best]
    return float(((best - worse) / bernoulli_divergence(worse, best)).sum())


def characteristic_time(means: Means) -> float:
    r"""Rounds per :math:`\ln(1/\delta)` that it takes to identify the best of Bernoulli arms.

    .. math:: T^*(\mu)^{-1} = \max_{w} \min_{a \ne a^*}
        \bigl( w_{a^*} \mathrm{kl}(\mu_{a^*}, m_a) + w_a \mathrm{kl}(\mu_a, m_a) \bigr)

    with :math:`m_a` the mean of :math:`\mu_{a^*}` and :math:`\mu_a` weighted by w. Every rule that
    errs with a probability of at most δ, whatever the means, takes
    :math:`T^*(\mu) \, \mathrm{kl}(\delta, 1 - \delta)` rounds on average or more.

    Parameters
    ----------
    means : K numbers in [0, 1]

    Returns
    -------
    float
        Infinite where two arms are the best, 0 for a single arm.

    Raises
    ------
    InvalidParameter
        A mean is no probability.

    Examples
    --------
    >>> round(characteristic_time([0.5, 0.45, 0.43, 0.4]), 2)
    989.79

    References
    ----------
    Garivier and Kaufmann (2016), *Optimal Best Arm Identification with Fixed Confidence*,
    Theorem 1.
    """
    values = _checked(means, name="characteristic_time")
    if values.size == 1:
        return 0.0
    if np.count_nonzero(values == values.max()) > 1:
        return float("inf")
    odds, gain = _equilibrium(values[None])
    return float(odds.sum() / gain.item())


def optimal_proportions(means: Array) -> Array:
    """Shares of the arms in the fastest identification of the best one.

    The maximiser w in `characteristic_time`.

    Parameters
    ----------
    means : Array, shape (..., K), in [0, 1]

    Returns
    -------
    Array, shape (..., K)
        Positive, summing to 1; where several arms are the best they share everything evenly.

    Examples
    --------
    >>> optimal_proportions(np.array([0.5, 0.45, 0.43, 0.4])).round(4)
    array([0.4165, 0.3903, 0.1362, 0.057 ])

    References
    ----------
    Garivier and Kaufmann (2016), *Optimal Best Arm Identification with Fixed Confidence*,
    Theorem 5.
    """
    values = np.asarray(means, dtype=np.float64)
    flat = values.reshape(-1, values.shape[-1])
    best = flat == flat.max(-1, keepdims=True)
    count = best.sum(-1, keepdims=True)
    law: Array = best / count
    single = np.flatnonzero(count[:, 0] == 1)
    if values.shape[-1] > 1 and single.size:
        odds, _ = _equilibrium(flat[single])
        law[single] = odds / odds.sum(-1, keepdims=True)
    return law.reshape(values.shape)


def _equilibrium(means: Array) -> tuple[Array, Array]:
    r"""Odds x of the arms against the best one, (R, K), and what each pair gains then, (R, 1).

    With :math:`m = \mu^* - t (\mu^* - \mu_a)` an arm has the odds :math:`x = t / (1 - t)`, and

    .. math:: g(t) = \mathrm{kl}(\mu^*, m) + x \, \mathrm{kl}(\mu_a, m)

    rises from 0, for Gaussian arms in proportion to t. All arms have the same gain y at the
    optimum, the one at which :math:`F = \sum_a \mathrm{kl}(\mu^*, m_a) / \mathrm{kl}(\mu_a, m_a)`
    is 1. In 1/y the function :math:`1 / \sqrt F` is a straight line for two Gaussian arms.
    """
    means = np.clip(means, _EDGE, 1.0 - _EDGE)
    best = means.argmax(-1)[:, None] == np.arange(means.shape[-1])
    top = means.max(-1, keepdims=True)
    second = np.where(best, -np.inf, means).max(-1, keepdims=True)
    pairs = _Pairs(top, np.where(best, second, means), others=~best)
    least = 1.0 / bernoulli_divergence(top, second)
    most = np.full_like(least, np.inf)
    gaussian = _root(pairs.gaussian_excess, 2.0 * least, low=least, high=most)
    near = np.maximum(pairs.approach(gaussian), 1.000001 * least)
    gain = 1.0 / _root(pairs.excess, near, low=least, high=most)
    return np.where(best, 1.0, pairs.odds(gain)), gain


class _Pairs:
    """The best arm against each other one, at equal gains.

    Parameters
    ----------
    top : Array, shape (R, 1)
        Mean of the best arm.
    below : Array, shape (R, K)
        Means of the other arms; in the column of the best one anything lower.
    others : BoolArray, shape (R, K)
        False in the column of the best arm.
    """

    def __init__(self, top: Array, below: Array, *, others: BoolArray) -> None:
        self._top = top
        self._below = below
        self._gap = top - below
        self._whole = bernoulli_divergence(top, below)
        self._others = others
        self._t = np.full_like(below, 0.5)

    def odds(self, gain: Array) -> Array:
        """x of every arm at this gain, (R, K)."""
        t = self._places(gain)
        return t / (1.0 - t)

    def gaussian_excess(self, slowness: Array) -> tuple[Array, Array]:
        """1 / √F − 1 and its derivative by 1 / gain, were g in proportion to t; (R, 1)."""
        t = 1.0 / (slowness * self._whole)
        ratio = np.where(self._others, (t / (1.0 - t)) ** 2, 0.0)
        total = ratio.sum(-1, keepdims=True)
        slope = (ratio / (slowness * (1.0 - t))).sum(-1, keepdims=True)
        return total**-0.5 - 1.0, total**-1.5 * slope

    def approach(self, slowness: Array) -> Array:
        """1 / gain after a few of Newton's steps for it and all t at once, unless they went astray.

        Parameters
        ----------
        slowness : Array, shape (R, 1)
            1 / gain, were g in proportion to t.
        """
        gain = 1.0 / slowness
        t = start = np.minimum(gain / self._whole, 0.9)
        with np.errstate(all="ignore"):
            for _ in range(_JOINT_STEPS):
                g, climb, ratio, ratio_climb = self._at(t)
                lack = (gain - g) / climb
                value, slope = self._excess(ratio + ratio_climb * lack, ratio_climb / climb, gain)
                following = 1.0 / (1.0 / gain - value / slope)
                following = np.where(following > 0.0, following, gain)
                t = np.clip(t + lack + (following - gain) / climb, t / 4.0, 0.75 + t / 4.0)
                settled = np.abs(following - gain) <= _TOLERANCE * gain
                gain = following
                if settled.all():
                    break
        sane = np.isfinite(t).all(-1, keepdims=True) & (gain > 0.0) & (gain < np.inf)
        self._t = np.where(sane, t, start)
        return np.where(sane, 1.0 / gain, slowness)

    def excess(self, slowness: Array) -> tuple[Array, Array]:
        """1 / √F − 1 and its derivative by 1 / gain, (R, 1)."""
        gain = 1.0 / slowness
        _, climb, ratio, ratio_climb = self._at(self._places(gain))
        return self._excess(ratio, ratio_climb / climb, gain)

    def _excess(self, ratio: Array, rise: Array, gain: Array) -> tuple[Array, Array]:
        """`excess` from the summands of F and their derivatives by the gain, (R, K)."""
        total = (ratio * self._others).sum(-1, keepdims=True)
        slope = (rise * self._others).sum(-1, keepdims=True)
        return total**-0.5 - 1.0, 0.5 * total**-1.5 * slope * gain**2

    def _at(self, t: Array) -> tuple[Array, Array, Array, Array]:
        """g, its derivative by t, the summand of F and its derivative by t, all (R, K)."""
        m = self._top - t * self._gap
        to_best = _inner_divergence(self._top, m)
        to_other = _inner_divergence(self._below, m)
        ratio = to_best / to_other
        rest = 1.0 - t
        bend = self._gap**2 / (m * (1.0 - m) * to_other)
        return to_best + t / rest * to_other, to_other / rest**2, ratio, (t + ratio * rest) * bend

    def _places(self, gain: Array) -> Array:
        """t of every arm at this gain, (R, K)."""

        def lacking(t: Array) -> tuple[Array, Array]:
            g, climb, _, _ = self._at(t)
            return g - gain, climb

        zero, one = np.zeros_like(self._t), np.ones_like(self._t)
        self._t = _root(lacking, self._t, low=zero, high=one)
        return self._t


def _inner_divergence(p: Array, q: Array) -> Array:
    """`bernoulli_divergence` of numbers strictly between 0 and 1."""
    rest = 1.0 - p
    return -(p * np.log1p((q - p) / p) + rest * np.log1p((p - q) / rest))


def _root(
    function: Callable[[Array], tuple[Array, Array]], start: Array, *, low: Array, high: Array
) -> Array:
    """Where an increasing function, given with its derivative, vanishes between low and high."""
    x = start
    for _ in range(_STEPS):
        value, slope = function(x)
        low, high = np.where(value < 0.0, x, low), np.where(value > 0.0, x, high)
        newton = x - value / slope
        middle = np.where(np.isinf(high), 2.0 * x, (low + high) / 2.0)
        following = np.where((newton >= low) & (newton <= high), newton, middle)
        moved = np.abs(following - x) > _TOLERANCE * following
        x = following
        if not moved.any():
            break
    return x


def _checked(means: Means, *, name: str) -> Array:
    values = np.array(means, dtype=np.float64)
    if values.ndim != 1 or not values.size or not ((values >= 0.0) & (values <= 1.0)).all():
        raise InvalidParameter(f"{name}(means={means!r}): expected a probability in [0, 1] per arm")
    return values
