"""What a wrapper is: an environment that changes the rounds of another one."""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from qbrix.environments._catalogue import from_spec
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.errors import InvalidParameter

__all__ = ["Wrapper"]


class Wrapper(Environment):
    """Base class of wrappers: sizes, support and optimum are those of what is wrapped.

    An author writes `changed` and `settings`, and overrides what else differs. A wrapper's random
    numbers come from a generator of its own: what is wrapped deals the same rewards and contexts as
    it does alone.

    Parameters
    ----------
    environment : Environment
        What is wrapped; wrappers can be wrapped.

    Attributes
    ----------
    environment : Environment
    depth : int
        Number of wrappers inside.
    """

    depth: int

    def __init__(self, environment: Environment) -> None:
        if not isinstance(environment, Environment):
            raise InvalidParameter(
                f"{type(self).__name__}(environment={environment!r}): expected an instance of "
                "Environment, for example Bernoulli([0.9, 0.8])"
            )
        self.environment = environment
        self.n_arms = environment.n_arms
        self.dim = environment.dim
        self.reward = environment.reward
        self.length = environment.length
        self.comparator = environment.comparator
        self.self_contained = environment.self_contained
        self.depth = environment.depth + 1 if isinstance(environment, Wrapper) else 0

    @classmethod
    def example(cls) -> Self:
        """Around two Bernoulli arms; a class with further required arguments overrides it."""
        return cls(Bernoulli([0.9, 0.5]))

    @property
    def optimum(self) -> float | None:
        """Expected reward of a best arm, where every round has the same; else None."""
        return self.environment.optimum

    @abstractmethod
    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """A block of the wrapped environment, as this one deals it.

        Parameters
        ----------
        rounds : Rounds
            Not to be written into.
        start : int
            Number of rounds that were dealt before.
        rng : numpy.random.Generator
            This wrapper's own; one kind of random number, block after block.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The constructor's other arguments, fit for JSON."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """The rounds of the wrapped environment, changed block by block."""
        own = _beside(rng, type(self).__name__, self.depth)
        start = 0
        for rounds in self.environment.deal(rng, replications=replications, sizes=sizes):
            yield self.changed(rounds, start=start, rng=own)
            start += len(rounds.rewards)

    def parameters(self) -> dict[str, Any]:
        """The spec of what is wrapped, and the settings."""
        return {"environment": self.environment.spec(), **self.settings()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The wrapper whose `parameters` these are; what is wrapped must be registered."""
        return cls(**{**parameters, "environment": from_spec(parameters["environment"])})

    def __repr__(self) -> str:
        told = [f"{name}={value!r}" for name, value in self.settings().items()]
        return f"{type(self).__name__}({', '.join([repr(self.environment), *told])})"


def _beside(rng: np.random.Generator, name: str, depth: int) -> np.random.Generator:
    """A generator that depends on the seed of ``rng`` and leaves it as it is."""
    bits = rng.bit_generator
    seed = bits.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        raise InvalidParameter(
            f"rng has the seed {seed!r}; expected a generator that was made from a SeedSequence, "
            "for example np.random.default_rng(1)"
        )
    word = zlib.crc32(name.encode())
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, word, depth))
    return np.random.Generator(type(bits)(own))
