"""Policies that find the best arm: what they add to choosing and learning."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.policies._counts import pick
from qbrix.policies.base import Policy
from qbrix.state import State
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["IdentificationPolicy", "check_confidence"]

S = TypeVar("S", bound=State)
P = TypeVar("P")


class IdentificationPolicy(Policy[S, P]):
    """Base class of policies that recommend an arm and know when they are sure of it.

    An author writes `merits` and `stopped` beside what every policy has. Policies of *fixed
    confidence* stop when the evidence suffices for the confidence that is asked for; policies of
    *fixed budget* have a hyper-parameter ``horizon`` and stop when it is used up, whatever the
    confidence. A policy that stopped may still be asked to choose.
    """

    __slots__ = ()

    @abstractmethod
    def merits(self, state: S) -> Array:
        """How much speaks for each arm, shape (..., K); the largest is recommended."""

    @abstractmethod
    def stopped(self, state: S, *, confidence: float) -> BoolArray:
        """Whether the recommendation may be believed.

        Parameters
        ----------
        state : S
        confidence : float in (0, 1)
            1 − δ, least probability that the recommended arm is the best one, over the whole run:
            the rule may be asked after every round. What stops at a confidence also stops at every
            lower one.

        Returns
        -------
        BoolArray, shape (...)
        """

    def recommend(self, state: S, *, rng: np.random.Generator | None = None) -> IntArray:
        """The arm to be recommended now.

        Parameters
        ----------
        state : S
        rng : numpy.random.Generator, optional
            Draws among arms that tie; the first of them without it.

        Returns
        -------
        IntArray, shape (...)
        """
        merits = self.merits(state)
        if rng is not None:
            return pick(merits, rng=rng)
        first: IntArray = np.asarray(merits.argmax(-1))
        return first


def check_confidence(confidence: float) -> float:
    """δ = 1 − confidence, once that is a probability strictly between 0 and 1."""
    real = isinstance(confidence, (int, float, np.number))
    if not real or not 0.0 < confidence < 1.0:
        raise InvalidParameter(
            f"confidence = {confidence!r}, expected a float in (0, 1), for example 0.95"
        )
    return 1.0 - confidence
