"""Gymnasium, there and back."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary
from gymnasium.utils.env_checker import check_env

from qbrix.environments import (
    Bernoulli,
    Classification,
    Environment,
    GaussianTestbed,
    LinearContextual,
    from_gymnasium,
    from_spec,
    to_gymnasium,
)
from qbrix.environments.wrappers import Delayed
from qbrix.errors import InvalidParameter, MissingExtra, ShapeError, SupportError
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.rng import stream
from qbrix.simulator import simulate
from qbrix.testing import check_environment

LINEAR = LinearContextual.random(n_arms=3, dim=2, seed=1)


class Quiz(gymnasium.Env[Any, Any]):
    """Say how many of three lamps burn: a Box to look at, 1 for the right answer."""

    def __init__(self, *, offset: int = 0, faithful: bool = True) -> None:
        self.action_space = Discrete(4, start=offset)
        self.observation_space = Box(0.0, 1.0, (3, 1), dtype=np.float32)
        self.offset = offset
        self.faithful = faithful
        self.lamps = np.zeros((3, 1), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed if self.faithful else None)
        self.lamps = self.np_random.integers(0, 2, (3, 1)).astype(np.float32)
        return self.lamps, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        right = float(action - self.offset == self.lamps.sum())
        return self.lamps, right, True, False, {}


def quiz(**given: Any) -> Quiz:
    """For Gymnasium's registry."""
    return Quiz(**given)


@pytest.mark.parametrize(
    "environment", [Bernoulli([0.2, 0.8]), LINEAR, GaussianTestbed()], ids=repr
)
def test_gymnasium_accepts_what_we_make(environment: Environment) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_env(to_gymnasium(environment, horizon=50), skip_render_check=True)
    unexpected = [str(item.message) for item in told]
    assert all("infinity" in text or "spec" in text for text in unexpected), unexpected


def test_an_episode_is_a_replication_of_the_environment() -> None:
    """Rounds beyond a block of 128 too."""
    env = to_gymnasium(LINEAR, horizon=300)
    seen, _ = env.reset(seed=5)
    (rounds,) = LINEAR.play(
        np.random.Generator(np.random.PCG64(np.random.SeedSequence(5))).spawn(1)[0],
        replications=1,
        horizon=300,
        block=300,
    )
    assert rounds.contexts is not None
    for t in range(300):
        np.testing.assert_array_equal(seen, rounds.contexts[t, 0])
        arm = t % 3
        seen, reward, terminated, truncated, info = env.step(arm)
        assert reward == rounds.rewards[t, 0, arm]
        assert info == {"mean": rounds.means[t, 0, arm], "best": rounds.best[t, 0]}
        assert (terminated, truncated) == (False, t == 299)


def test_equal_seeds_begin_equal_episodes_and_no_seed_another_one() -> None:
    env = to_gymnasium(LINEAR, horizon=5)
    first, again, other = env.reset(seed=3)[0], env.reset(seed=3)[0], env.reset()[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(again, other)


def test_a_data_set_is_an_episode_of_its_length() -> None:
    env = to_gymnasium(Classification([[0.0], [1.0], [2.0]], ["a", "b", "a"]))
    env.reset(seed=1)
    ends = [env.step(0)[3] for _ in range(3)]
    assert ends == [False, False, True]
    with pytest.raises(InvalidParameter, match=r"the episode is over; call reset"):
        env.step(0)


def test_what_a_step_cannot_say_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="horizon is missing: Bernoulli never ends"):
        to_gymnasium(Bernoulli([0.5]))
    late = to_gymnasium(Delayed(Bernoulli([0.5]), delay=3), horizon=5)
    with pytest.raises(InvalidParameter, match="delays feedback or takes arms away"):
        late.reset(seed=1)
    env = to_gymnasium(Bernoulli([0.5]), horizon=2)
    env.reset(seed=1)
    with pytest.raises(InvalidParameter, match=r"action = 1, expected one of Discrete\(1\)"):
        env.step(1)


def test_there_and_back_keeps_means_contexts_and_laws() -> None:
    again = from_gymnasium(lambda: to_gymnasium(LINEAR, horizon=1))
    assert (again.n_arms, again.dim) == (3, 2)
    (rounds,) = again.play(stream(3), replications=4, horizon=6)
    assert rounds.contexts is not None
    np.testing.assert_allclose(rounds.means, rounds.contexts @ LINEAR.weights.T, atol=1e-12)
    noise = rounds.rewards - rounds.means
    np.testing.assert_allclose(noise, noise[..., :1].repeat(3, axis=-1), atol=1e-12)


@pytest.mark.parametrize("make", [Quiz, lambda: Quiz(offset=7)])
def test_all_arms_of_a_round_answer_the_same_question(make: Callable[[], Quiz]) -> None:
    environment = from_gymnasium(make, reward="binary")
    (rounds,) = environment.play(stream(3), replications=2, horizon=20)
    assert rounds.contexts is not None
    lamps = rounds.contexts.sum(-1).astype(np.int64)
    np.testing.assert_array_equal(rounds.rewards, np.eye(4)[lamps])
    assert (rounds.best == 1.0).all()


def test_a_foreign_environment_keeps_the_contract_and_can_be_raced() -> None:
    """200 resets and steps a law; expectations need more of them than are worth their time."""
    skip = {
        "means_are_expectations": "160,000 resets of a foreign environment take too long",
        "replications_are_independent": "so do these",
    }
    assert len(check_environment(from_gymnasium(Quiz, reward="binary"), skip=skip)) >= 11
    race = simulate(
        EpsilonPolicy(eps=0.1, gamma=1.0),
        from_gymnasium(Quiz, reward="binary"),
        horizon=20,
        replications=3,
        progress=False,
    )
    assert race.summary()["regret"].between(0.0, 20.0).all()


def test_a_registered_id_comes_back_from_its_spec() -> None:
    gymnasium.register("Quiz-v0", entry_point=quiz, kwargs={"offset": 1})
    try:
        environment = from_gymnasium("Quiz-v0", reward="binary", arguments={"offset": 2})
        again = from_spec(environment.spec())
        assert again.spec() == environment.spec()
        assert repr(again) == "GymnasiumBandit('Quiz-v0', n_arms=4, dim=3)"
    finally:
        del gymnasium.registry["Quiz-v0"]


def test_what_is_no_bandit_is_refused() -> None:
    unfaithful = from_gymnasium(lambda: Quiz(faithful=False), reward="binary")
    with pytest.raises(InvalidParameter, match="reset does not follow its seed"):
        list(unfaithful.play(stream(1), replications=3, horizon=20))
    shifted = from_gymnasium(lambda: to_gymnasium(LINEAR, horizon=1), reward="bounded")
    with pytest.raises(SupportError, match=r"declared is a number in \[0, 1\]; give"):
        list(shifted.play(stream(1), replications=3, horizon=20))

    class Strange(Quiz):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = MultiBinary(3)

    with pytest.raises(ShapeError, match=r"expected Discrete\(K\): one action per arm"):
        from_gymnasium(Strange)
    with pytest.raises(InvalidParameter, match="reward = 'clicks'"):
        from_gymnasium(Quiz, reward="clicks")  # type: ignore[arg-type]


def test_without_gymnasium_the_extra_is_named_and_all_else_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtra, match=r"Gymnasium adapter needs .*qbrix-lab\[notebook\]"):
        to_gymnasium(Bernoulli([0.5]), horizon=3)
    with pytest.raises(MissingExtra, match="Gymnasium adapter"):
        from_gymnasium("Quiz-v0")


def test_importing_environments_loads_nothing_heavy() -> None:
    code = (
        "import sys, qbrix.environments; "
        "print(sorted({'gymnasium', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
