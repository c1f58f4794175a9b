"""Feedback that takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np

from qbrix.environments._numbers import one_number, sealed
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.wrappers._arrivals import arrivals_of
from qbrix.environments.wrappers.base import Wrapper
from qbrix.errors import InvalidParameter
from qbrix.types import Array

__all__ = ["Delayed"]

DelayLaw = Literal["fixed", "exponential", "empirical"]


class Delayed(Wrapper):
    r"""Every delivery of a feedback comes later, each by a delay of its own.

    .. math:: e_t = \lfloor \rho D_t \rfloor

    rounds, where ρ is ``rounds_per_second`` and the D are independent.

    Parameters
    ----------
    environment : Environment
        What is wrapped.
    delay : number >= 0, or sequence of them
        In rounds, or in seconds where ``rounds_per_second`` is given. ``"fixed"``: the delay;
        ``"exponential"``: the mean of D; ``"empirical"``: observed delays, of which D is one, each
        equally likely.
    law : {"fixed", "exponential", "empirical"}, default "fixed"
        Law of D.
    rounds_per_second : float > 0, default 1.0
        How many rounds are played in the unit of ``delay``.

    Examples
    --------
    Users answer after 3 seconds on average, 100 decisions are made in a second:

    >>> from qbrix.environments import Bernoulli
    >>> environment = Delayed(
    ...     Bernoulli([0.9, 0.5]), delay=3.0, law="exponential", rounds_per_second=100
    ... )
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=2, horizon=3))
    >>> rounds.arrivals.shape
    (3, 2, 1)

    Notes
    -----
    Under ``"exponential"`` e is geometric: P(e ≥ j) = exp(−j / (ρ · delay)). Delays depend neither
    on the arm nor on the reward.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        delay: float | Sequence[float] | Array,
        law: DelayLaw = "fixed",
        rounds_per_second: float = 1.0,
    ) -> None:
        super().__init__(environment)
        if law not in ("fixed", "exponential", "empirical"):
            raise InvalidParameter(
                f"Delayed(law={law!r}): expected 'fixed', 'exponential' or 'empirical'"
            )
        self.law = law
        self.delays = _checked(delay, law=law)
        self.rounds_per_second = one_number(
            rounds_per_second, name="Delayed.rounds_per_second", low=0.0, above=True
        )

    @classmethod
    def example(cls) -> Self:
        """Two arms that answer after 10 rounds on average."""
        return cls(Bernoulli([0.9, 0.5]), delay=10.0, law="exponential")

    def settings(self) -> dict[str, Any]:
        """Delay, law and rate."""
        delays = self.delays.tolist()
        return {
            "delay": delays if self.law == "empirical" else delays[0],
            "law": self.law,
            "rounds_per_second": self.rounds_per_second,
        }

    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """One random number per delivery, none under ``"fixed"``."""
        arrivals = arrivals_of(rounds)
        waits = self._drawn(arrivals.shape, rng) * self.rounds_per_second
        later = arrivals + np.floor(waits).astype(np.int64)
        return replace(rounds, arrivals=np.where(arrivals < 0, -1, later))

    def _drawn(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        if self.law == "fixed":
            return self.delays
        if self.law == "exponential":
            return self.delays * rng.standard_exponential(shape)
        return self.delays[(rng.random(shape) * self.delays.size).astype(np.int64)]


def _checked(delay: float | Sequence[float] | Array, *, law: DelayLaw) -> Array:
    if law != "empirical":
        return sealed(np.array([one_number(delay, name="Delayed.delay", low=0.0)]))
    if not isinstance(delay, (Sequence, np.ndarray)) or not len(delay):
        raise InvalidParameter(
            f"Delayed(delay={delay!r}, law='empirical'): expected a sequence of observed delays"
        )
    return sealed(np.array([one_number(each, name="Delayed.delay", low=0.0) for each in delay]))
