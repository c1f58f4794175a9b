"""One policy looking for the best arm: R replications that end one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from qbrix.environments import Rounds
from qbrix.errors import InvalidParameter
from qbrix.policies import IdentificationPolicy
from qbrix.simulator.identification import Identification
from qbrix.state import map_arrays, take
from qbrix.types import BoolArray, Interactions


class Search:
    """A policy at work; replications that stopped leave its state.

    Parameters
    ----------
    policy : IdentificationPolicy
    n_arms, replications : int
        K and R.
    confidence : float in (0, 1), optional
        When to stop; None for when nothing is left to play.
    rng : numpy.random.Generator
        This policy's own source of random numbers.
    """

    def __init__(
        self,
        policy: IdentificationPolicy[Any, Any],
        *,
        n_arms: int,
        replications: int,
        confidence: float | None,
        rng: np.random.Generator,
    ) -> None:
        initial = policy.init(n_arms=n_arms)
        self._policy = policy
        self._confidence = confidence
        self._choice_rng, self._tie_rng = rng.spawn(2)
        self._state = map_arrays(lambda x: np.repeat(x[np.newaxis], replications, axis=0), initial)
        self._prepared = policy.prepare(self._state)
        self._live = np.arange(replications)
        self._played = 0
        self._found = Identification(
            rounds=np.zeros(replications, dtype=np.int64),
            arms=np.zeros(replications, dtype=np.int64),
            right=np.zeros(replications, dtype=np.bool_),
            stopped=np.zeros(replications, dtype=np.bool_),
            pulls=np.zeros((replications, n_arms), dtype=np.int64),
        )

    @property
    def running(self) -> int:
        """Replications that have not stopped."""
        return self._live.size

    def play(self, rounds: Rounds) -> None:
        """Go through a block of rounds, or as many of them as are needed."""
        if rounds.arrivals is not None:
            raise InvalidParameter(
                "environment delays feedback, identify learns each reward before the next choice; "
                "leave the delay out, or look at the final states of qbrix.simulate"
            )
        for number in range(len(rounds.rewards)):
            if not self.running:
                return
            self._round(rounds, number)
            if self._confidence is not None:
                done = self._policy.stopped(self._state, confidence=self._confidence)
                if done.any():
                    self._leave(done, rounds, number, stopped=True)

    def give_up(self, rounds: Rounds | None) -> None:
        """Let everybody who is left recommend an arm, judged by the last of these rounds."""
        if self.running and rounds is not None:
            everybody = np.ones(self.running, dtype=np.bool_)
            self._leave(everybody, rounds, -1, stopped=self._confidence is None)

    def found(self) -> Identification:
        """What came out."""
        return self._found

    def _round(self, rounds: Rounds, number: int) -> None:
        live, n_arms = self._live, rounds.rewards.shape[-1]
        mask = None if rounds.available is None else rounds.available[number, live]
        law = self._policy.propensities(self._prepared, mask=mask)
        upper = law.cumsum(-1)
        u = self._choice_rng.random((live.size, 1)) * upper[:, -1:]
        arms = (u >= upper).sum(-1)
        cells = np.arange(0, live.size * n_arms, n_arms) + arms
        own = live * n_arms + arms
        batch = Interactions(
            arms=arms[:, np.newaxis],
            rewards=rounds.rewards[number].reshape(-1).take(own)[:, np.newaxis],
            propensities=law.reshape(-1).take(cells)[:, np.newaxis],
            state_versions=np.full((live.size, 1), self._played),
            cells=cells,
        )
        self._state = self._policy.update(self._state, batch)
        self._prepared = self._policy.advance(self._prepared, self._state, batch)
        self._found.pulls.reshape(-1)[own] += 1
        self._played += 1

    def _leave(self, done: BoolArray, rounds: Rounds, number: int, *, stopped: bool) -> None:
        """Take the recommendations of those who are done, and go on with the others."""
        who, state = self._live[done], take(self._state, done)
        arms = self._policy.recommend(state, rng=self._tie_rng)
        means = rounds.means[number, who]
        self._found.rounds[who] = self._played
        self._found.arms[who] = arms
        self._found.right[who] = means[np.arange(who.size), arms] == rounds.best[number, who]
        self._found.stopped[who] = stopped
        self._live = self._live[~done]
        self._state = take(self._state, ~done)
        self._prepared = self._policy.prepare(self._state)
