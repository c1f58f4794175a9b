"""Any policy, started over at given rounds: what perfect knowledge of the changes is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from qbrix.checks import param
from qbrix.errors import InvalidParameter
from qbrix.policies._counts import Cells, Pulls
from qbrix.policies._nested import grown_around, initial, learned, learner_of, unpacked
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["OracleRestartPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Restarted(Pulls):
    """All observations of every arm, and the learner's state in a row of numbers."""

    learner: Array = array("m")


@dataclass(frozen=True, kw_only=True, slots=True)
class OracleRestartPolicy(Policy[Restarted, Any]):
    r"""A policy that forgets everything whenever a given number of observations is reached.

    .. math:: p_a(t) = \pi_a(\text{what was seen since the last } c_i < t), \qquad
        c_1 < c_2 < \dots

    With the rounds at which the world changes it is the yardstick for policies that must find them:
    no policy of the same kind that restarts can be expected to do better. With evenly spaced rounds
    it is a plain restart schedule.

    Parameters
    ----------
    changes : str
        The numbers :math:`c_i` of observations after which it starts over, increasing, with spaces
        between: ``"1000 2000"``. They mean what they mean in `PiecewiseStationary`.
    learner : str, default "BetaTSPolicy"
        The policy, as `repr` shows it: ``"UCBAlphaPolicy(alpha=0.5)"``, or its name. One without
        context that learns from rewards in [0, 1]. Another one needs a reset.

    Examples
    --------
    >>> policy = OracleRestartPolicy(changes="1")
    >>> batch = Interactions(
    ...     arms=np.array([0]), rewards=np.ones(1), propensities=np.ones(1),
    ...     state_versions=np.zeros(1, dtype=np.int64),
    ... )
    >>> state = policy.update(policy.init(n_arms=2), batch)
    >>> policy.propensities(policy.prepare(state)).round(6)
    array([0.5, 0.5])

    Notes
    -----
    Its regret is the sum of the learner's regrets over the segments. *Applies when* the rounds of
    change are known. Rounds are counted in observations: under delay or missing feedback the
    restart comes late, and rows decided before it are learned after it.

    References
    ----------
    Garivier and Moulines (2011), *On Upper-Confidence Bound Policies for Switching Bandit
    Problems*, section 4, compare with such an oracle.
    """

    changes: str = param(doc="numbers of observations after which it starts over")
    learner: str = param("BetaTSPolicy", doc="the policy that is started over", structural=True)

    state_type = Restarted
    capabilities = Capabilities(propensity="closed")

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        learner_of(self.learner)
        _counts(self.changes)

    @classmethod
    def example(cls) -> Self:
        """Restarts after 20 and 50 observations."""
        return cls(changes="20 50")

    def init(self, *, n_arms: int, dim: int = 0) -> Restarted:
        """Nothing observed, and the learner's own beginning."""
        numbers = initial(learner_of(self.learner), n_arms)
        return replace(zeros(Restarted, K=n_arms, m=numbers.size), learner=numbers)

    def grow(self, state: Restarted, *, n_arms: int) -> Restarted:
        """Arms added at the end, for the learner too."""
        return grown_around(state, self.init(n_arms=n_arms), learner_of(self.learner))

    def prepare(self, state: Restarted) -> Any:
        """What the learner prepares."""
        learner = learner_of(self.learner)
        inner = unpacked(learner, state.learner, n_arms=state.pulls.shape[-1])
        return learner.prepare(inner)

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        return learner_of(self.learner).propensities(prepared, mask=mask)

    def sample(
        self,
        prepared: Any,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """What the learner draws, one arm per leading index."""
        return learner_of(self.learner).sample(prepared, mask=mask, rng=rng)

    def update_in_place(self, state: Restarted, batch: Interactions) -> None:
        """Let the learner learn, and start it over where a number is reached."""
        real = batch.arms >= 0
        seen = state.pulls.sum(-1, keepdims=True) + real.cumsum(-1)
        n_arms = state.pulls.shape[-1]
        state.learner[...] = learned(
            learner_of(self.learner),
            state.learner,
            batch,
            restarts=real & np.isin(seen, _counts(self.changes)),
            n_arms=n_arms,
        )
        Cells.of(batch, n_arms).add(state.pulls, 1.0)


@lru_cache(maxsize=256)
def _counts(changes: str) -> Array:
    """The numbers in ``changes``; raises `InvalidParameter`."""
    words = changes.split()
    counts = np.array([int(word) if word.isdecimal() else 0 for word in words], dtype=np.float64)
    if (np.diff(counts, prepend=0.0) < 1.0).any():
        raise InvalidParameter(
            f"OracleRestartPolicy(changes={changes!r}): expected increasing integers >= 1 "
            "with spaces between; write for example '1000 2000'"
        )
    counts.flags.writeable = False
    return counts
