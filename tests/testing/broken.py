"""A faithful policy, and policies with one flaw each that the contract suite must find."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from qbrix.checks import param
from qbrix.errors import InvalidParameter
from qbrix.policies import Capabilities, Policy
from qbrix.state import State, array, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["FLAWS", "Faithful"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums(State):
    """Counts and sums per arm."""

    pulls: Array = array("K")
    won: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class Faithful(Policy[Sums, Any]):
    """Chooses in proportion to a power of the smoothed mean; keeps every law."""

    weight: float = param(1.0, gt=0, doc="prior observations")

    state_type = Sums
    capabilities = Capabilities(order_free=True, propensity="closed")

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """In proportion to the eighth power of the mean."""
        mean = (prepared.won + self.weight) / (prepared.pulls + 2.0 * self.weight)
        return _normalised(mean**8, mask)

    def update(self, state: Sums, batch: Interactions) -> Sums:
        """Counts and sums, row by row."""
        self.check_batch(state, batch)
        return _added(state, batch, batch.rewards)

    def merge(self, a: Sums, b: Sums) -> Sums:
        """Sums add."""
        return Sums(pulls=a.pulls + b.pulls, won=a.won + b.won)


def _normalised(weights: Array, mask: BoolArray | None) -> Array:
    kept: Array = weights if mask is None else np.where(mask, weights, 0.0)
    law: Array = kept / kept.sum(-1, keepdims=True)
    return law


def _added(state: Sums, batch: Interactions, rewards: Array) -> Sums:
    pulls, won = state.pulls.copy(), state.won.copy()
    for index in np.ndindex(*batch.arms.shape):
        arm = int(batch.arms[index])
        if arm >= 0:
            pulls[(*index[:-1], arm)] += 1.0
            won[(*index[:-1], arm)] += rewards[index]
    return Sums(pulls=pulls, won=won)


FLAWS: dict[type[Faithful], str] = {}
"""Class → name of the law that it breaks."""


def breaks(law: str) -> Any:
    """Note which law a class breaks."""

    def noted(flawed: type[Faithful]) -> type[Faithful]:
        FLAWS[flawed] = law
        return flawed

    return noted


@breaks("hyperparameters_round_trip")
@dataclass(frozen=True, kw_only=True, slots=True)
class Halves(Faithful):
    """Its hyper-parameter is not what was passed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", self.weight / 2.0)


@breaks("hyperparameters_are_guarded")
@dataclass(frozen=True, kw_only=True, slots=True)
class Unguarded(Faithful):
    """Takes any hyper-parameter."""

    def __post_init__(self) -> None:
        pass


@breaks("init_matches_schema")
@dataclass(frozen=True, kw_only=True, slots=True)
class TooManyArms(Faithful):
    """Its state has an arm that nobody asked for."""

    def init(self, *, n_arms: int, dim: int = 0) -> Sums:
        return zeros(Sums, K=n_arms + 1)


@breaks("propensities_are_a_law")
@dataclass(frozen=True, kw_only=True, slots=True)
class MoreThanOne(Faithful):
    """Its propensities sum to 1.001."""

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return 1.001 * Faithful.propensities(self, prepared, context, mask=mask)


@breaks("propensities_are_a_law")
@dataclass(frozen=True, kw_only=True, slots=True)
class Unmasked(Faithful):
    """Ignores the mask."""

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return Faithful.propensities(self, prepared, context)


@breaks("contexts_are_decided_alike")
@dataclass(frozen=True, kw_only=True, slots=True)
class LooksAround(Faithful):
    """What it does with a context depends on the other contexts of the batch."""

    capabilities = replace(Faithful.capabilities, context=True, category="contextual")

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        assert context is not None
        law = Faithful.propensities(self, prepared, mask=mask)
        tilt = np.arange(1.0, law.shape[-1] + 1.0) ** np.tanh(context[..., 1:2].mean())
        return _normalised(law * tilt * np.ones_like(context[..., :1]), mask)


@breaks("single_arm")
@dataclass(frozen=True, kw_only=True, slots=True)
class NeedsTwoArms(Faithful):
    """Divides by the logarithm of K."""

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        law = Faithful.propensities(self, prepared, context, mask=mask)
        with np.errstate(invalid="ignore"):
            share: Array = law * np.log(law.shape[-1]) / np.log(law.shape[-1])
        return share


@breaks("inputs_are_not_mutated")
@dataclass(frozen=True, kw_only=True, slots=True)
class Overwrites(Faithful):
    """Adds into the state that it was given."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        self.check_batch(state, batch)
        learned = _added(state, batch, batch.rewards)
        state.pulls[...], state.won[...] = learned.pulls, learned.won
        return state


@breaks("inputs_are_not_mutated")
@dataclass(frozen=True, kw_only=True, slots=True)
class Shares(Faithful):
    """Its new state shares an array with the old one."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        return replace(Faithful.update(self, state, batch), won=state.won)


@breaks("nothing_is_hidden")
@dataclass(frozen=True, kw_only=True, slots=True)
class Counts(Faithful):
    """Remembers outside its state how often it was asked."""

    asked: ClassVar[list[int]] = []

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        self.asked.append(1)
        law = Faithful.propensities(self, prepared, context, mask=mask)
        return _normalised(law + 1e-13 * len(self.asked) * np.arange(law.shape[-1]), mask)


@breaks("arms_can_be_added")
@dataclass(frozen=True, kw_only=True, slots=True)
class StartsOverWithMoreArms(Faithful):
    """Forgets everything when an arm comes."""

    def grow(self, state: Sums, *, n_arms: int) -> Sums:
        return self.init(n_arms=n_arms)


@breaks("recorded_numbers_are_declared")
@dataclass(frozen=True, kw_only=True, slots=True)
class RecordsInSecret(Faithful):
    """Records a number that its capabilities do not mention."""

    def record(
        self,
        prepared: Any,
        context: Array | None,
        arm: IntArray,
        *,
        mask: BoolArray | None = None,
    ) -> Array | None:
        return np.ones((*arm.shape, 1))


@breaks("update_twice_is_update_once")
@dataclass(frozen=True, kw_only=True, slots=True)
class KeepsLastBatch(Faithful):
    """Forgets all but the last batch."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        self.check_batch(state, batch)
        return _added(Sums(pulls=0.0 * state.pulls, won=0.0 * state.won), batch, batch.rewards)


@breaks("order_does_not_matter")
@dataclass(frozen=True, kw_only=True, slots=True)
class Forgets(Faithful):
    """Discounts row by row, and says that order does not matter."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        self.check_batch(state, batch)
        for row in range(batch.arms.shape[-1]):
            real = (batch.arms[..., row : row + 1] >= 0).astype(np.float64)
            state = replace(state, won=state.won * (1.0 - 0.1 * real))
            one = {name: getattr(batch, name)[..., row : row + 1] for name in ("arms", "rewards")}
            state = _added(state, replace(batch, **one), one["rewards"])
        return state


@breaks("order_does_not_matter")
@dataclass(frozen=True, kw_only=True, slots=True)
class MergesBadly(Faithful):
    """Merges by the mean."""

    def merge(self, a: Sums, b: Sums) -> Sums:
        return Sums(pulls=(a.pulls + b.pulls) / 2.0, won=(a.won + b.won) / 2.0)


@breaks("leading_axis_is_single_runs")
@dataclass(frozen=True, kw_only=True, slots=True)
class CentresOverReplications(Faithful):
    """Shifts rewards by something that all replications of a row share."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        self.check_batch(state, batch)
        first = batch.rewards.reshape(-1, batch.arms.shape[-1])[:1]
        return _added(state, batch, batch.rewards + 0.1 * first)


@breaks("leading_axis_is_single_runs")
@dataclass(frozen=True, kw_only=True, slots=True)
class LearnsPadding(Faithful):
    """Takes arm −1 for the last arm."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        self.check_batch(state, batch)
        last = state.pulls.shape[-1] - 1
        padded = replace(batch, arms=np.where(batch.arms < 0, last, batch.arms))
        return _added(state, padded, batch.rewards)


@breaks("in_place_is_update")
@dataclass(frozen=True, kw_only=True, slots=True)
class TwoMinds(Faithful):
    """Its in-place form counts double."""

    def update_in_place(self, state: Sums, batch: Interactions) -> None:
        learned = _added(_added(state, batch, batch.rewards), batch, batch.rewards)
        state.pulls[...], state.won[...] = learned.pulls, learned.won


@breaks("advance_follows_prepare")
@dataclass(frozen=True, kw_only=True, slots=True)
class StaysBehind(Faithful):
    """Does not follow the state."""

    def advance(self, prepared: Any, state: Sums, batch: Interactions) -> Any:
        return prepared


@breaks("play_is_rounds_in_turn")
@dataclass(frozen=True, kw_only=True, slots=True)
class PlaysWithoutLearning(Faithful):
    """Its block of rounds is decided by the first state."""

    def play(
        self,
        prepared: Any,
        state: Sums,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, Any]:
        return np.stack([self.sample(prepared, rng=rng) for _ in rewards]), prepared


@breaks("late_feedback_is_learned")
@dataclass(frozen=True, kw_only=True, slots=True)
class OnlyFresh(Faithful):
    """Refuses what was decided more than ten versions before the newest row."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        versions = batch.state_versions
        if versions.size and np.ptp(versions) > 10:
            raise InvalidParameter("state_versions are too old")
        return Faithful.update(self, state, batch)


@breaks("bad_batches_are_refused")
@dataclass(frozen=True, kw_only=True, slots=True)
class TakesAnything(Faithful):
    """Does not check its batches."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        return _added(state, batch, batch.rewards)


@breaks("million_updates_stay_finite")
@dataclass(frozen=True, kw_only=True, slots=True)
class Explodes(Faithful):
    """Keeps exponential weights in its state."""

    capabilities = replace(Faithful.capabilities, order_free=False)

    def init(self, *, n_arms: int, dim: int = 0) -> Sums:
        return Sums(pulls=np.zeros(n_arms), won=np.ones(n_arms))

    def update(self, state: Sums, batch: Interactions) -> Sums:
        self.check_batch(state, batch)
        arms = np.arange(state.won.shape[-1])
        mine = (batch.arms[..., None] == arms) * batch.rewards[..., None]
        with np.errstate(over="ignore"):
            return replace(state, won=state.won * np.multiply.reduce(1.0 + 0.5 * mine, axis=-2))

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        with np.errstate(invalid="ignore"):
            return _normalised(prepared.won, mask)


@breaks("sample_follows_propensities")
@dataclass(frozen=True, kw_only=True, slots=True)
class SamplesGreedily(Faithful):
    """Plays the best arm more often than it says."""

    def sample(
        self,
        prepared: Any,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        drawn = Faithful.sample(self, prepared, context, mask=mask, rng=rng)
        best = self.propensities(prepared, context, mask=mask).argmax(-1)
        return np.where(rng.random(drawn.shape) < 0.06, best, drawn)


@breaks("beats_uniform")
@dataclass(frozen=True, kw_only=True, slots=True)
class Contrary(Faithful):
    """Prefers the arm that pays least."""

    def propensities(
        self, prepared: Any, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        lost = Sums(pulls=prepared.pulls, won=prepared.pulls - prepared.won)
        return Faithful.propensities(self, lost, context, mask=mask)


@breaks("bits_are_the_same_everywhere")
@dataclass(frozen=True, kw_only=True, slots=True)
class DependsOnTheProcess(Faithful):
    """What it learns depends on the seed of the interpreter's string hashes."""

    def update(self, state: Sums, batch: Interactions) -> Sums:
        learned = Faithful.update(self, state, batch)
        return replace(learned, won=learned.won + (hash("qbrix") % 1001) * 2.0**-40)
