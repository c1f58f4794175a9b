"""Successive rejects: one arm less after each of K − 1 phases, within a fixed budget."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil

from qbrix.policies._phases import Phase, PhasedPolicy

__all__ = ["SuccessiveRejectsPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SuccessiveRejectsPolicy(PhasedPolicy):
    r"""Observe all arms equally, dismiss the one of the smallest mean, until one is left.

    .. math::

        n_k = \Bigl\lceil \frac{1}{\overline{\log} K} \, \frac{T - K}{K + 1 - k} \Bigr\rceil, \qquad
        \overline{\log} K = \frac12 + \sum_{i=2}^{K} \frac1i

    In phase k = 1, …, K − 1 every arm that is left is observed until it has :math:`n_k`
    observations in all, in an order that is drawn for every turn. The last arm is recommended, and
    chosen from then on.

    Parameters
    ----------
    horizon : int >= 1
        T, budget of observations, more than arms; it is not exceeded.

    Examples
    --------
    Of 30 rounds with 3 arms the first phase takes 7 of each arm, the second 4 more of two.

    >>> policy = SuccessiveRejectsPolicy(horizon=30)
    >>> [phase.pulls for phase in policy.phases(3)]
    [7, 11]

    Notes
    -----
    It errs with a probability of at most
    :math:`\frac{K (K - 1)}{2} \exp(-\frac{T - K}{\overline{\log} K \, H_2})`, where
    :math:`H_2 = \max_i i \Delta_{(i)}^{-2}` over the gaps in increasing order: it needs neither the
    gaps nor a confidence. *Applies when* rewards of an arm are independent in [0, 1] (or
    subgaussian) with a fixed mean and the number of rounds is given. Feedback that arrives late or
    in batches lengthens a phase by what was decided before its end.

    References
    ----------
    Audibert, Bubeck and Munos (2010), *Best Arm Identification in Multi-Armed Bandits*, Figure 3
    and Theorem 2.
    """

    forgets = False

    def phases(self, n_arms: int) -> tuple[Phase, ...]:
        """K − 1 phases, each of which dismisses one arm."""
        return _phases(n_arms, self.horizon)


@lru_cache(maxsize=256)
def _phases(n_arms: int, horizon: int) -> tuple[Phase, ...]:
    shares = Fraction(1, 2) + sum((Fraction(1, i) for i in range(2, n_arms + 1)), Fraction(0))
    return tuple(
        Phase(pulls=ceil((horizon - n_arms) / shares / left), keep=left - 1)
        for left in range(n_arms, 1, -1)
    )
