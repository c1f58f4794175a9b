"""Sequential halving: the better half goes on, within a fixed budget."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.policies._phases import Phase, PhasedPolicy

__all__ = ["SequentialHalvingPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialHalvingPolicy(PhasedPolicy):
    r"""Observe all arms equally, keep the better half of them, and so on until one is left.

    .. math:: t_r = \Bigl\lfloor \frac{T}{|S_r| \, \lceil \log_2 K \rceil} \Bigr\rfloor, \qquad
        |S_{r+1}| = \lceil |S_r| / 2 \rceil

    In each of ⌈log₂ K⌉ rounds every arm of :math:`S_r` is observed :math:`t_r` times, in an order
    that is drawn for every turn; those with the largest means *of the round* stay. The last arm is
    recommended, and chosen from then on.

    Parameters
    ----------
    horizon : int >= 1
        T, budget of observations, at least K ⌈log₂ K⌉; it is not exceeded.

    Examples
    --------
    >>> policy = SequentialHalvingPolicy(horizon=48)
    >>> [(phase.pulls, phase.keep) for phase in policy.phases(8)]
    [(2, 4), (4, 2), (8, 1)]

    Notes
    -----
    It errs with a probability of at most
    :math:`3 \log_2 K \exp(-\frac{T}{8 H_2 \log_2 K})`, where
    :math:`H_2 = \max_i i \Delta_{(i)}^{-2}` over the gaps in increasing order; a lower bound is as
    large up to :math:`\log \log K`. *Applies when* rewards of an arm are independent in [0, 1]
    (or subgaussian) with a fixed mean and the number of rounds is given. Feedback that arrives late
    or in batches lengthens a round by what was decided before its end.

    References
    ----------
    Karnin, Koren and Somekh (2013), *Almost Optimal Exploration in Multi-Armed Bandits*, section
    4 and Theorem 4.1.
    """

    forgets = True

    def phases(self, n_arms: int) -> tuple[Phase, ...]:
        """⌈log₂ K⌉ phases, each of which dismisses half of the arms."""
        number = (n_arms - 1).bit_length()
        phases, left = [], n_arms
        for _ in range(number):
            phases.append(Phase(pulls=self.horizon // (left * number), keep=(left + 1) // 2))
            left = (left + 1) // 2
        return tuple(phases)
