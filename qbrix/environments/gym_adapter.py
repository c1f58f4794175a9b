"""Environments for Gymnasium, and Gymnasium's for qbrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter, MissingExtra, ShapeError, SupportError
from qbrix.support import SUPPORTS, RewardSupport, described, supported
from qbrix.types import Array

if TYPE_CHECKING:
    import gymnasium

    from qbrix.environments._gym_env import BanditEnv

__all__ = ["GymnasiumBandit", "from_gymnasium", "to_gymnasium"]

_SEEDS = 2**31


def to_gymnasium(environment: Environment, *, horizon: int | None = None) -> BanditEnv:
    """A Gymnasium environment whose steps are the rounds of this one.

    Parameters
    ----------
    environment : Environment
    horizon : int >= 1, optional
        Rounds of an episode, after which it is truncated; the environment's length by default.

    Returns
    -------
    gymnasium.Env
        Actions are ``Discrete(K)``, observations contexts in a ``Box`` of shape (d,), or
        ``Discrete(1)`` without contexts; they are known before the action. ``step`` pays the
        reward of the chosen arm, and its ``info`` holds the means of the round (``mean`` of the
        chosen arm, ``best``). ``reset(seed=…)`` makes an episode repeatable.

    Raises
    ------
    MissingExtra
        Without gymnasium.
    InvalidParameter
        Where feedback is late or arms are missing: an episode of steps cannot say so.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli
    >>> env = to_gymnasium(Bernoulli([0.0, 1.0]), horizon=2)
    >>> env.reset(seed=7)[0], env.step(1)[:4]
    (0, (0, 1.0, False, False))
    """
    _gymnasium()
    if not isinstance(environment, Environment):
        raise InvalidParameter(
            f"environment = {environment!r}, expected an instance of Environment, for example "
            "Bernoulli([0.9, 0.8]); from_gymnasium goes the other way"
        )
    from qbrix.environments._gym_env import BanditEnv

    rounds = environment.length if horizon is None else horizon
    if rounds is None:
        raise InvalidParameter(
            f"horizon is missing: {type(environment).__name__} never ends; "
            "say how long an episode is, for example horizon=1000"
        )
    check_integer(rounds, name="horizon", least=1)
    return BanditEnv(environment, horizon=rounds)


def from_gymnasium(
    make: str | Callable[[], gymnasium.Env[Any, Any]],
    *,
    reward: RewardSupport = "continuous",
    arguments: Mapping[str, Any] | None = None,
) -> GymnasiumBandit:
    """A bandit out of a Gymnasium environment: each episode's first step is a round.

    See `GymnasiumBandit`, which this makes.
    """
    return GymnasiumBandit(make, reward=reward, arguments=arguments)


class GymnasiumBandit(Environment):
    """Rounds from the first steps of a Gymnasium environment.

    .. math:: r_{t,k} = step_k(reset(s_t)), \\qquad x_t = reset(s_t)

    For each round a seed is drawn, and for each arm the environment is reset with it and makes one
    step. The observation after the reset is the context.

    Parameters
    ----------
    make : str or callable
        Id of a registered environment, or a function that returns one. Its actions are
        ``Discrete(K)``; its observations are a ``Box``, which is flattened, or ``Discrete(n)``,
        which becomes n columns of 0 and 1 (none for n = 1).
    reward : {"binary", "bounded", "nonnegative", "continuous"}, default "continuous"
        Support of the rewards; one outside is refused when it is met.
    arguments : mapping, optional
        Keyword arguments for the id.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli
    >>> make = lambda: to_gymnasium(Bernoulli([0.0, 1.0]), horizon=1)
    >>> environment = from_gymnasium(make, reward="binary")
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=2, horizon=3))
    >>> bool((rounds.rewards == [0.0, 1.0]).all())
    True

    Notes
    -----
    *Applies when* ``reset(seed=s)`` decides everything random of the step that follows, the same
    for every action: then the K steps are the potential rewards of one round. That the observation
    is the same after each of them is checked, the rest cannot be. Later steps of an episode are
    never made: a bandit has no states that an action changes. Where ``info`` of a step holds a
    number ``mean``, it is the expectation of the reward; else nobody knows it, the reward stands in
    its place, and regret is against the best *reward* of each round. It takes R · K resets and
    steps a round: keep R small.
    """

    def __init__(
        self,
        make: str | Callable[[], gymnasium.Env[Any, Any]],
        *,
        reward: RewardSupport = "continuous",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        if reward not in SUPPORTS:
            raise InvalidParameter(
                f"GymnasiumBandit.reward = {reward!r}, expected one of {', '.join(SUPPORTS)}"
            )
        if not isinstance(make, str) and not callable(make):
            raise InvalidParameter(
                f"GymnasiumBandit.make = {make!r}, expected the id of a registered environment or "
                "a function that makes one, for example lambda: env"
            )
        self.make = make
        self.arguments = dict(arguments or {})
        self.reward = reward
        self.self_contained = isinstance(make, str)
        self.n_arms, self.dim, self._columns, self._first = _read_spaces(self._made())

    @classmethod
    def example(cls) -> Self:
        """Two Bernoulli arms, there and back."""
        return cls(_example_env, reward="binary")

    def parameters(self) -> dict[str, Any]:
        """Id, arguments and support; a function is named only."""
        if isinstance(self.make, str):
            return {"make": self.make, "reward": self.reward, "arguments": self.arguments}
        name = getattr(self.make, "__qualname__", type(self.make).__name__)
        return {"function": name, "reward": self.reward}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """From an id."""
        if "function" in parameters:
            raise InvalidParameter(
                f"the spec names the function {parameters['function']!r}, of which it holds no "
                "digest and no code; make GymnasiumBandit from the function itself"
            )
        return cls(**parameters)

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One seed per round and replication."""
        env = self._made()
        try:
            for size in sizes:
                seeds = rng.integers(_SEEDS, size=(size, replications))
                yield self._block(env, seeds)
        finally:
            env.close()

    def _block(self, env: gymnasium.Env[Any, Any], seeds: Any) -> Rounds:
        shape = (*seeds.shape, self.n_arms)
        rewards, means = np.empty(shape), np.empty(shape)
        contexts = np.empty((*seeds.shape, self.dim))
        for index in np.ndindex(seeds.shape):
            for arm in range(self.n_arms):
                seen, _ = env.reset(seed=int(seeds[index]))
                context = self._context(seen)
                if arm and not np.array_equal(context, contexts[index]):
                    raise InvalidParameter(
                        "the same seed gives another observation: the environment's reset does "
                        "not follow its seed, so that arms cannot be compared in one round"
                    )
                contexts[index] = context
                _, reward, _, _, info = env.step(self._first + arm)
                rewards[(*index, arm)] = reward
                means[(*index, arm)] = info.get("mean", reward)
        good = supported(rewards, self.reward)
        if not good.all():
            raise SupportError(
                f"the environment paid {rewards[~good][0]}, declared is {described(self.reward)}; "
                "give from_gymnasium(reward=…) a wider support"
            )
        return Rounds(
            rewards=rewards,
            means=means,
            best=means.max(-1),
            contexts=contexts if self.dim else None,
        )

    def _context(self, seen: Any) -> Array:
        if self._columns is not None:
            column: Array = self._columns[int(seen)]
            return column
        return np.asarray(seen, dtype=np.float64).reshape(-1)

    def _made(self) -> gymnasium.Env[Any, Any]:
        gym = _gymnasium()
        if isinstance(self.make, str):
            made: gymnasium.Env[Any, Any] = gym.make(self.make, **self.arguments)
            return made
        return self.make()

    def __repr__(self) -> str:
        shown = repr(self.make) if isinstance(self.make, str) else self.parameters()["function"]
        return f"GymnasiumBandit({shown}, n_arms={self.n_arms}, dim={self.dim})"


def _read_spaces(env: gymnasium.Env[Any, Any]) -> tuple[int, int, Array | None, int]:
    """K, d, what each discrete observation looks like, and the number of the first action."""
    from gymnasium.spaces import Box, Discrete

    actions, seen = env.action_space, env.observation_space
    env.close()
    if not isinstance(actions, Discrete):
        raise ShapeError(f"the action space is {actions}, expected Discrete(K): one action per arm")
    first = int(actions.start)
    if isinstance(seen, Discrete):
        count = int(seen.n)
        columns = np.eye(count) if count > 1 else np.empty((1, 0))
        shifted = np.roll(columns, int(seen.start), axis=0)
        shifted.flags.writeable = False
        return int(actions.n), columns.shape[1], shifted, first
    if isinstance(seen, Box):
        return int(actions.n), int(np.prod(seen.shape)), None, first
    raise ShapeError(f"the observation space is {seen}, expected Box or Discrete; flatten it first")


def _gymnasium() -> Any:
    try:
        import gymnasium
    except ImportError:
        raise MissingExtra("the Gymnasium adapter", extra="notebook") from None
    return gymnasium


def _example_env() -> gymnasium.Env[Any, Any]:
    from qbrix.environments.bernoulli import Bernoulli

    return to_gymnasium(Bernoulli([0.9, 0.5]), horizon=1)
