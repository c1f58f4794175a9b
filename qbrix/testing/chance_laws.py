"""Laws that chance decides, with the probability of a false alarm stated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qbrix.environments import Bernoulli, Environment, LinearContextual, Rounds
from qbrix.policies import IdentificationPolicy, Policy, get
from qbrix.simulator import simulate
from qbrix.state import stack, take
from qbrix.testing.contract import expect, not_applicable
from qbrix.testing.subject import AnyPolicy, Subject
from qbrix.types import Array, BoolArray

__all__ = ["check_beats_uniform", "check_sample_follows_propensities", "example_environment"]

_FALSE_ALARM = 1e-7


def check_sample_follows_propensities(policy: AnyPolicy) -> None:
    """`sample` chooses each arm as often as `propensities` says.

    A faithful policy is accused with a probability of at most 1e-6 (Chernoff's bound on every
    frequency, over all arms and situations). 20,000 draws find a deviation of 0.02.
    """
    subject = Subject(policy)
    draws = 4_000 if type(policy).sample is Policy.sample else 20_000
    mask = np.ones(subject.n_arms, dtype=np.bool_)
    mask[1] = False
    learned = subject.learned("sample", rows=25)
    situations: list[tuple[str, Any, BoolArray | None]] = [
        ("at first", subject.init(), None),
        ("after one row", subject.learned("sample", rows=1), None),
        ("after 25 rows", learned, None),
        ("with arm 1 masked", learned, mask),
    ]
    for when, state, allowed in situations:
        rng = subject.rng("sample", when)
        context = subject.contexts(rng)
        law = policy.propensities(policy.prepare(state), context, mask=allowed)
        many = policy.prepare(take(stack([state]), np.zeros(draws, dtype=np.int64)))
        contexts = None if context is None else np.tile(context, (draws, 1))
        arms = policy.sample(many, contexts, mask=allowed, rng=rng)
        expect(np.shape(arms) == (draws,), f"sample returned shape {np.shape(arms)}")
        expect(np.asarray(arms).dtype.kind == "i", f"sample returned {np.asarray(arms).dtype}")
        _expect_frequencies(np.asarray(arms), law, when=when)


def check_beats_uniform(policy: AnyPolicy) -> None:
    """On its own example the policy loses less than uniform choice.

    100 replications of 600 rounds, both on the same rounds. A policy that is no better passes with
    a probability of less than 1e-6: the difference must exceed 5.5 of its standard errors.
    """
    if policy.capabilities.goal == "identification":
        wanted = "goal = 'identification' is for policies derived from IdentificationPolicy"
        expect(isinstance(policy, IdentificationPolicy), wanted)
        not_applicable("it is made to identify: recommends_the_best_arm is held against it")
    environment = example_environment(policy)
    race = simulate(
        {"policy": policy, "uniform": get("RandomPolicy")()},
        environment,
        horizon=600,
        replications=100,
        seed=Subject(policy).seed,
        progress=False,
    )
    lost = {label: trace.regret[:, -1] for label, trace in race.traces.items()}
    saved = lost["uniform"] - lost["policy"]
    score = float(saved.mean() / max(saved.std(ddof=1) / np.sqrt(saved.size), 1e-12))
    expect(
        score > 5.5,
        f"on {environment} it loses {lost['policy'].mean():.1f}, uniform choice "
        f"{lost['uniform'].mean():.1f}: {score:.1f} standard errors, expected more than 5.5",
    )


def example_environment(policy: AnyPolicy) -> Environment:
    """Where the policy should shine: its ``example_environment()``, or one for what it can do."""
    own = getattr(policy, "example_environment", None)
    if own is not None:
        chosen: Environment = own()
        return chosen
    if hasattr(policy, "example_rounds"):
        return _OwnRounds(policy)
    if not policy.capabilities.context:
        return Bernoulli([0.8, 0.5, 0.4, 0.2])
    if policy.capabilities.reward == "continuous":
        return LinearContextual.random(n_arms=4, dim=3, seed=3)
    return _Clicks()


class _OwnRounds(Environment):
    """Contexts and mean rewards from the policy's ``example_rounds``, with chance added."""

    n_arms = 4

    def __init__(self, policy: AnyPolicy) -> None:
        self.rounds = policy.example_rounds  # type: ignore[attr-defined]
        self.reward = policy.capabilities.reward
        self.dim = Subject(policy, n_arms=self.n_arms).dim

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """Gaussian noise of 0.1 where any reward is one, else a coin."""
        context_rng, reward_rng = rng.spawn(2)
        for size in sizes:
            shape = (size, replications)
            contexts, means = self.rounds(context_rng, n_arms=self.n_arms, shape=shape)
            if self.reward == "continuous":
                rewards = means + 0.1 * reward_rng.standard_normal((*shape, 1))
            else:
                rewards = (reward_rng.random((*shape, 1)) < means).astype(np.float64)
            yield Rounds(rewards=rewards, means=means, best=means.max(-1), contexts=contexts)

    def parameters(self) -> dict[str, Any]:
        """None: there is one such environment for a policy."""
        return {}


class _Clicks(Environment):
    """Rewards 0 or 1 whose log-odds are linear in a random context with a constant feature."""

    reward = "binary"
    n_arms = 3
    dim = 3

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """Three arms, each of which likes another context."""
        context_rng, reward_rng = rng.spawn(2)
        weights = np.array([[0.0, 3.0, 0.0], [0.0, -2.0, 2.0], [0.0, -1.0, -3.0]])
        for size in sizes:
            contexts = context_rng.standard_normal((size, replications, self.dim))
            contexts[..., 0] = 1.0
            means = 1.0 / (1.0 + np.exp(-contexts @ weights.T))
            paid = reward_rng.random((size, replications, 1)) < means
            yield Rounds(
                rewards=paid.astype(np.float64), means=means, best=means.max(-1), contexts=contexts
            )

    def parameters(self) -> dict[str, Any]:
        """None: there is one such environment."""
        return {}


def _expect_frequencies(arms: Array, law: Array, *, when: str) -> None:
    """Chernoff: ``P(n kl(frequency, p) > x) <= 2 exp(-x)``."""
    n = arms.size
    expect(
        ((arms >= 0) & (arms < law.size)).all(), f"{when}: sample chose an arm that is not there"
    )
    frequency = np.bincount(arms.astype(np.int64), minlength=law.size) / n
    limit = np.log(2.0 * law.size / _FALSE_ALARM) / n
    for arm, (f, p) in enumerate(zip(frequency, law, strict=True)):
        distance = _divergence(float(f), float(min(p, 1.0)))
        expect(distance <= limit, f"{when}: arm {arm} was chosen with frequency {f}, expected {p}")


def _divergence(f: float, p: float) -> float:
    """Bernoulli divergence kl(f, p); infinite where p excludes f by more than rounding."""
    total = 0.0
    for a, b in ((f, p), (1.0 - f, 1.0 - p)):
        if a > 0.0:
            total += a * float(np.log(a / b)) if b > 0.0 else np.inf
    return total
