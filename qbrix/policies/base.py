"""What a policy is: three pure functions over a state value.

``init`` makes the state of somebody who has seen nothing, ``propensities`` says with which
probability each arm should be chosen, ``update`` learns from interactions. There is no random
number, no hidden state and no I/O in any of them: the same object runs in a notebook, over R
replications in the simulator, on one context or a batch in motor, and over the ledger in cortex.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, cast

import numpy as np

from qbrix.checks import (
    ParameterSpec,
    check_batch,
    check_integer,
    check_parameters,
    middle,
    parameter_specs,
)
from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.registry import identifier
from qbrix.state import State, copy_state, grown, leading_shape, resolve_sizes, zeros
from qbrix.support import RewardSupport
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["Capabilities", "Policy"]

S = TypeVar("S", bound=State)
P = TypeVar("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What a policy can do and needs; the catalogue, the suite and serving read it.

    Attributes
    ----------
    context : bool
        Whether the choice depends on a context of ``d`` features.
    reward : {"binary", "bounded", "nonnegative", "continuous"}
        Support of the rewards it learns from: {0, 1}, [0, 1], numbers >= 0, or any; none
        beyond 1e100 (`qbrix.support.LARGEST`).
    reward_types : tuple of {"binary", "bounded", "continuous"}, optional
        Kinds of rewards under which the catalogue lists it, where these are fewer than its support
        includes: a policy for rewards in [0, 1] may have little use for clicks.
    order_free : bool
        Whether shuffled batches and merged states give the same state (to 1e-12 relative).
    propensity : {"closed", "quadrature", "one-hot", "points"}
        How the propensities come about.
    category : {"stochastic", "contextual", "adversarial", "meta"}
        Family under which the catalogue lists it.
    goal : {"regret", "identification"}
        What it is for: to earn, or to find the best arm. Who identifies need not earn.
    bits : {"exact", "close"}
        Whether ``update`` keeps the arithmetic rule and so gives the same bits on every machine;
        ``close`` is verified step by step at 1e-9 instead.
    recorded : int
        How many numbers ``record`` returns (r).
    max_arms : int, optional
        The largest K for which propensities come in about a second and a gigabyte, where their cost
        grows faster than K; ``init`` refuses more.
    propensities_cost : str
        How the time of ``propensities`` for one context grows, e.g. ``"K d^2"``.
    update_cost : str
        How the time of ``update`` grows for one row, e.g. ``"d^2"``.
    """

    context: bool = False
    reward: RewardSupport = "bounded"
    reward_types: tuple[RewardSupport, ...] | None = None
    order_free: bool = False
    propensity: Literal["closed", "quadrature", "one-hot", "points"] = "closed"
    category: Literal["stochastic", "contextual", "adversarial", "meta"] = "stochastic"
    goal: Literal["regret", "identification"] = "regret"
    bits: Literal["exact", "close"] = "exact"
    recorded: int = 0
    max_arms: int | None = None
    propensities_cost: str = "K"
    update_cost: str = "1"


class Policy(ABC, Generic[S, P]):
    """Base class of every policy.

    A policy is a frozen dataclass whose fields are its hyper-parameters, declared with
    `qbrix.checks.param`. It names its state class in ``state_type`` and what it can do in
    ``capabilities``. An author writes ``propensities`` and one of ``update`` (returns a new state)
    and ``update_in_place`` (writes into a state that the caller owns; ``update`` then checks,
    copies and calls it). Everything else has a default.

    Arithmetic rule for ``update``: + − × ÷, sqrt, comparisons, where, indexing, sum, cumsum,
    bincount, add.at and products by broadcasting give the same bits on every machine. exp, log,
    powers beyond 2, trigonometry, matrix products and factorisations do not; they belong into
    ``prepare`` and ``propensities``, which are held to 1e-10.
    """

    __slots__ = ()

    state_type: ClassVar[type[State]]
    capabilities: ClassVar[Capabilities]
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_parameters(self)

    @classmethod
    def identifier(cls) -> str:
        """Name and behaviour version, e.g. ``BetaTSPolicy@1``."""
        return identifier(cls)

    @classmethod
    def parameter_specs(cls) -> list[ParameterSpec]:
        """The declared hyper-parameters."""
        return parameter_specs(cls)

    @classmethod
    def example(cls) -> Self:
        """An instance for checks and catalogues; a class whose defaults say little overrides it."""
        required = [spec for spec in cls.parameter_specs() if spec.required]
        return cls(**{spec.name: middle(spec) for spec in required})

    def parameters(self) -> dict[str, Any]:
        """Hyper-parameter name → value; ``type(self)(**self.parameters())`` equals ``self``."""
        return {item.name: getattr(self, item.name) for item in fields(cast(Any, self))}

    def init(self, *, n_arms: int, dim: int = 0) -> S:
        """The state before the first interaction.

        Parameters
        ----------
        n_arms : int >= 1
            K.
        dim : int >= 0
            d; 0 for policies without context.

        Raises
        ------
        InvalidParameter
            When K exceeds what the policy can afford (`Capabilities.max_arms`), or is no number of
            arms.
        """
        check_integer(n_arms, name="n_arms", least=1)
        most = self.capabilities.max_arms
        if most is not None and n_arms > most:
            raise InvalidParameter(
                f"n_arms = {n_arms}, {type(self).__name__} can choose among at most {most}: the "
                f"time of a decision grows with {self.capabilities.propensities_cost}; "
                "choose fewer arms or another policy"
            )
        return cast(S, zeros(self.state_type, K=n_arms, d=dim))

    def example_contexts(self, rng: np.random.Generator, *, n: int, n_arms: int, dim: int) -> Array:
        """Contexts that the policy accepts, for checks and golden traces, shape (n, d).

        Standard normal numbers; a policy whose contexts must have a form of their own overrides it.
        """
        return rng.standard_normal((n, dim))

    def grow(self, state: S, *, n_arms: int) -> S:
        """The state with arms added at the end, of which nothing was observed.

        Parameters
        ----------
        state : S, without leading axes
        n_arms : int
            K after the arms came.

        Raises
        ------
        StateMismatch, InvalidParameter
            When what was learned cannot be kept for more arms.
        """
        fresh = self.init(n_arms=n_arms, dim=resolve_sizes(state).get("d", 0))
        return grown(state, fresh)

    def prepare(self, state: S) -> P:
        """Work that is done once per state version, off the hot path; the state by default."""
        return cast(P, state)

    @abstractmethod
    def propensities(
        self, prepared: P, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm.

        Parameters
        ----------
        prepared : result of `prepare`
            Its leading axes broadcast with those of ``context``: one state × B contexts in
            serving, R states × R contexts in the simulator.
        context : Array, shape (..., d), optional
        mask : BoolArray, shape (..., K), optional
            Arms that may be chosen.

        Returns
        -------
        Array, shape (..., K)
            Non-negative, summing to 1, 0 where masked.
        """

    def certain(self, prepared: P, context: Array | None = None) -> int | None:
        """The arm that has all the probability, all arms being allowed; None where nobody can say.

        A policy whose decisions are one-hot may override it with something faster than
        ``propensities``: it decides one context at a time in serving.

        Parameters
        ----------
        prepared : result of `prepare`, of one state
        context : Array, shape (d,), optional
        """
        return None

    def update(self, state: S, batch: Interactions) -> S:
        """The state after ``batch``: a new value; the inputs are not touched.

        Raises
        ------
        ShapeError, SupportError, InvalidParameter
            Naming the argument that does not fit.
        """
        self.check_batch(state, batch)
        fresh = copy_state(state)
        self.update_in_place(fresh, batch)
        return fresh

    def update_in_place(self, state: S, batch: Interactions) -> None:
        """Learn into ``state``, which the caller owns, from a batch that was checked."""
        name = type(self).__name__
        raise NotImplementedError(f"{name} defines neither update nor update_in_place")

    def advance(self, prepared: P, state: S, batch: Interactions) -> P:
        """``prepare(state)``, given the prepared form from before ``batch`` was learned.

        A policy whose preparation is expensive may follow the batch instead of starting over;
        ``prepared`` is the caller's own and may be written into. Equal to `prepare` to 1e-10.
        """
        return self.prepare(state)

    def sample(
        self,
        prepared: P,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One arm per leading index, distributed as ``propensities`` says.

        A policy may override it with something faster that is equal in law.
        """
        upper = np.cumsum(self.propensities(prepared, context, mask=mask), axis=-1)
        u = rng.random(upper.shape[:-1])[..., None] * upper[..., -1:]
        arms: IntArray = (u >= upper).sum(-1)
        return arms

    def play(
        self,
        prepared: P,
        state: S,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, P]:
        """Decide and learn a block of rounds, each before the next.

        Optional: the simulator's fastest path, for a policy that records nothing. Equal in law to
        deciding by ``propensities`` and learning by ``update`` in turns; equal generators play
        equally.

        Parameters
        ----------
        prepared : P, leading axis R
            ``prepare(state)``; the caller's own, may be written into.
        state : S, leading axis R
            Learns in place.
        rewards : Array, shape (B, R, K)
            What each arm would pay.
        contexts : Array, shape (B, R, d), optional
            What is known before each choice.

        Returns
        -------
        arms : IntArray, shape (B, R)
        prepared : P
            As after ``advance`` through all rounds.
        """
        raise NotImplementedError(f"{type(self).__name__} is played round by round")

    def merge(self, a: S, b: S) -> S:
        """The state after both histories, for order-free policies whose state is a sum."""
        raise StateMismatch(f"states of {type(self).__name__} cannot be merged: order matters")

    def record(
        self,
        prepared: P,
        context: Array | None,
        arm: IntArray,
        *,
        mask: BoolArray | None = None,
    ) -> Array | None:
        """What ``update`` will need to know about this moment: (..., r) numbers, or None.

        The arguments are those of the decision; ``arm`` is what was drawn from its propensities.
        """
        return None

    def check_batch(self, state: S, batch: Interactions) -> None:
        """Raise unless ``batch`` fits ``state`` and the declared reward support."""
        if not isinstance(batch, Interactions):
            raise InvalidParameter(
                f"batch = {batch!r}, expected qbrix.types.Interactions(arms=…, rewards=…, "
                "propensities=…, state_versions=…)"
            )
        sizes = resolve_sizes(state)
        width = 1 if batch.contexts is None else batch.contexts.shape[-1]
        check_batch(
            batch,
            n_arms=sizes["K"],
            leading=leading_shape(state),
            dim=sizes.get("d", width) if self.capabilities.context else 0,
            support=self.capabilities.reward,
            owner=type(self).__name__,
        )
