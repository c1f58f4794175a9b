"""A fixed budget spent in phases: equally many observations of the arms that are left, then fewer.

Which of several arms with equal means has to go is drawn without a random number: they are observed
in an order that chance decides, whatever they pay, and the ones that were observed last go.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from qbrix.checks import check_integer, param
from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.policies._counts import Rewards, pick, share
from qbrix.policies._evidence import LAST, observed_means
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities
from qbrix.policies.identification import IdentificationPolicy, check_confidence
from qbrix.state import array, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial(Rewards):
    """Counts and sums of all observations, and where the trial stands.

    ``past_pulls`` and ``past_reward`` are what no longer counts when arms are compared,
    ``last_seen`` numbers the observations, ``out`` marks the arms that were dismissed.
    """

    past_pulls: Array = array("K")
    past_reward: Array = array("K")
    last_seen: Array = array("K")
    out: BoolArray = array("K", dtype="bool")
    phase: IntArray = array(dtype="int64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a phase takes and leaves.

    Attributes
    ----------
    pulls : int
        Observations of every arm that is left, after which it ends.
    keep : int
        How many arms are left then.
    """

    pulls: int
    keep: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PhasedPolicy(IdentificationPolicy[Trial, Trial]):
    """A policy for a fixed budget that dismisses the worst arms phase by phase.

    An author writes `phases`, and says in ``forgets`` whether arms are compared by their
    observations of the phase alone.

    Parameters
    ----------
    horizon : int >= 1
        T, budget of observations.
    """

    horizon: int = param(gte=1, doc="budget of observations", structural=True)

    forgets: ClassVar[bool]
    state_type = Trial
    capabilities = Capabilities(
        reward="continuous", propensity="one-hot", goal="identification", update_cost="K log K"
    )

    @classmethod
    def example(cls) -> Self:
        """A budget of 400."""
        return cls(horizon=400)

    @abstractmethod
    def phases(self, n_arms: int) -> tuple[Phase, ...]:
        """The phases, the last of which keeps one arm; where nothing is forgotten counts add up."""

    def init(self, *, n_arms: int, dim: int = 0) -> Trial:
        """No observation, nobody out; raises where the budget does not reach every arm."""
        check_integer(n_arms, name="n_arms", least=1)
        phases = self.phases(n_arms)
        if phases and phases[0].pulls < 1:
            raise InvalidParameter(
                f"{type(self).__name__}(horizon={self.horizon}) cannot observe each of {n_arms} "
                "arms once in its first phase; give it a longer horizon or fewer arms"
            )
        return zeros(Trial, K=n_arms)

    def grow(self, state: Trial, *, n_arms: int) -> Trial:
        """Arms join in the first phase; later ones are too short for them."""
        if state.phase.any():
            raise StateMismatch(
                f"the first phase of {type(self).__name__} is over, so that no arm can join; "
                "start over with all arms"
            )
        return IdentificationPolicy.grow(self, state, n_arms=n_arms)

    def propensities(
        self, prepared: Trial, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Even among those left that were observed least in this phase, shape (..., K)."""
        return share(_scores(prepared), mask)

    def advance(self, prepared: Trial, state: Trial, batch: Interactions) -> Trial:
        """The state itself."""
        return state

    def sample(
        self,
        prepared: Trial,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One of those left that were observed least, one per leading index."""
        return pick(_scores(prepared), mask=mask, rng=rng)

    def update_in_place(self, state: Trial, batch: Interactions) -> None:
        """Count, and dismiss arms when a phase is over."""
        pulls, total, seen = rows(state.pulls), rows(state.total_reward), rows(state.last_seen)
        phases = self.phases(pulls.shape[-1])
        for event in events(batch):
            cell = (event.at, event.arm)
            pulls[cell] += 1.0
            total[cell] += event.reward
            seen[cell] = pulls[event.at].sum(-1)
            self._end_phases(state, event.at, phases)

    def merits(self, state: Trial) -> Array:
        """Mean rewards of the arms that are left, shape (..., K)."""
        return np.where(state.out, -np.inf, observed_means(state.pulls, state.total_reward))

    def stopped(self, state: Trial, *, confidence: float) -> BoolArray:
        """Whether one arm is left or the budget is spent, whatever the confidence; shape (...)."""
        check_confidence(confidence)
        decided: BoolArray = ((~state.out).sum(-1) == 1) | (state.pulls.sum(-1) >= self.horizon)
        return decided

    def _end_phases(self, state: Trial, at: IntArray, phases: tuple[Phase, ...]) -> None:
        """End every phase of the replications ``at`` whose observations are complete."""
        wanted = np.array([phase.pulls for phase in phases] + [np.inf])
        keep = np.array([phase.keep for phase in phases] + [1])
        number = rows(state.phase, axes=0)
        while at.size:
            own = rows(state.pulls)[at] - rows(state.past_pulls)[at]
            enough = (own >= wanted[number[at], None]) | rows(state.out)[at]
            at = at[enough.all(-1)]
            self._dismiss(state, at, keep=keep[number[at]])
            number[at] += 1

    def _dismiss(self, state: Trial, at: IntArray, *, keep: IntArray) -> None:
        pulls, total, out = rows(state.pulls), rows(state.total_reward), rows(state.out)
        past, paid = rows(state.past_pulls), rows(state.past_reward)
        mean = (total[at] - paid[at]) / np.maximum(pulls[at] - past[at], 1.0)
        worse = np.where(out[at], np.inf, -mean)
        order = np.lexsort((rows(state.last_seen)[at], worse), axis=-1)
        out[at] |= order.argsort(-1) >= keep[:, None]
        if self.forgets:
            past[at], paid[at] = pulls[at], total[at]


def _scores(state: Trial) -> Array:
    """Minus the observations of the phase; those who are out come last of all."""
    return np.where(state.out, LAST, state.past_pulls - state.pulls)
