"""`simulate`: a race of policies through the same rounds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from qbrix.checks import check_integer
from qbrix.environments import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.policies import Policy
from qbrix.rng import stream
from qbrix.simulator.metrics import Tally, checkpoints_of
from qbrix.simulator.player import Player
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.schedule import Schedule
from qbrix.types import IntArray

__all__ = ["simulate"]

AnyPolicy = Policy[Any, Any]

# Numbers of a block's largest array: small enough for a processor's cache, large enough that
# drawing is not done in small pieces.
_BLOCK_NUMBERS = 1 << 17
_BLOCK_ROUNDS = 128


def simulate(
    policies: AnyPolicy | Sequence[AnyPolicy] | Mapping[str, AnyPolicy],
    environment: Environment,
    *,
    horizon: int | None = None,
    replications: int = 100,
    seed: int = 0,
    schedule: Schedule | None = None,
    checkpoints: int | Sequence[int] = 100,
    keep_states: bool = False,
    progress: bool = True,
) -> SimulationResult:
    """Let policies play the same rounds and report what each of them gave away.

    Parameters
    ----------
    policies : Policy, sequence of policies, or mapping of label to policy
        In a sequence the label is the name and what differs from its defaults.
    environment : Environment
        Its reward support must not be wider than what a policy declares.
    horizon : int >= 1, optional
        T; the environment's length by default.
    replications : int >= 1, default 100
        R independent repetitions; confidence intervals come from their spread.
    seed : int >= 0, default 0
        Everything random follows from it. The environment has a stream of its own and so has every
        label: adding or removing a policy changes nothing for the others.
    schedule : Schedule, optional
        Delay and batches of learning; by default each reward is learned before the next decision.
    checkpoints : int or increasing sequence of rounds, default 100
        Where cumulative numbers are kept: about so many rounds, or just these.
    keep_states : bool, default False
        Keep the final states, with leading axis R, as ``result.states``.
    progress : bool, default True
        Show a bar in a notebook or terminal.

    Returns
    -------
    SimulationResult
        An interrupt (Ctrl-C) ends the race early: the result then covers the checkpoints that every
        policy has passed, and says so.

    Raises
    ------
    SupportError, InvalidParameter, ShapeError
        Naming the policy or argument that does not fit.

    Examples
    --------
    >>> import qbrix
    >>> from qbrix.environments import Bernoulli
    >>> race = [qbrix.get("random")(), qbrix.get("beta_ts")()]
    >>> result = qbrix.simulate(race, Bernoulli([0.9, 0.5]), horizon=200, replications=20, seed=1)
    >>> list(result.summary().index)
    ['BetaTS', 'Random']
    """
    check_integer(replications, name="replications", least=1)
    if not isinstance(environment, Environment):
        raise InvalidParameter(
            f"environment = {environment!r}, expected an instance of Environment, "
            "for example qbrix.environments.Bernoulli([0.9, 0.8])"
        )
    race = _Race(
        _labelled(policies),
        environment,
        marks=_checkpoints(checkpoints, horizon=_horizon(horizon, environment)),
        replications=replications,
        seed=seed,
        schedule=Schedule() if schedule is None else schedule,
    )
    race.run(quiet=not progress or _nobody_watches())
    return race.result(keep_states=keep_states)


class _Race:
    """Players and what they scored; every player finishes a block before the next is dealt."""

    def __init__(
        self,
        policies: Mapping[str, AnyPolicy],
        environment: Environment,
        *,
        marks: IntArray,
        replications: int,
        seed: int,
        schedule: Schedule,
    ) -> None:
        self.policies = policies
        self.environment = environment
        self.marks = marks
        self.replications = replications
        self.seed = seed
        self.schedule = schedule
        self.done = 0
        self.players: dict[str, Player] = {}
        self.tallies: dict[str, Tally] = {}
        for label, policy in policies.items():
            rng = stream(seed, "policy", label)
            self.players[label] = Player(
                policy, environment, replications=replications, rng=rng, schedule=schedule
            )
            self.tallies[label] = Tally(marks, replications=replications, n_arms=environment.n_arms)

    @property
    def horizon(self) -> int:
        return int(self.marks[-1])

    def run(self, *, quiet: bool) -> None:
        """Play to the end, or until Ctrl-C."""
        widest = max(self.environment.n_arms, self.environment.dim)
        dealt = self.environment.play(
            stream(self.seed, "environment"),
            replications=self.replications,
            horizon=self.horizon,
            block=max(1, min(_BLOCK_ROUNDS, _BLOCK_NUMBERS // (self.replications * widest))),
        )
        bar = tqdm(total=self.horizon, unit=" rounds", unit_scale=True, leave=False, disable=quiet)
        with suppress(KeyboardInterrupt), bar:
            for rounds in dealt:
                self._play(rounds)
                bar.update(len(rounds.rewards))

    def _play(self, rounds: Rounds) -> None:
        played = {label: player.play(rounds) for label, player in self.players.items()}
        for label, (arms, rewards) in played.items():
            self.tallies[label].add(rounds, arms=arms, rewards=rewards, start=self.done)
        self.done += len(rounds.rewards)

    def result(self, *, keep_states: bool) -> SimulationResult:
        """The result up to the last checkpoint that every policy has passed."""
        interrupted = self.done < self.horizon
        marks = self.marks[: self.marks.searchsorted(self.done, side="right")]
        if interrupted:
            self._tell(marks)
        decisions = self.done * self.replications
        traces = {
            label: self.tallies[label].trace(
                reached=len(marks), seconds_per_decision=player.elapsed_s / decisions
            )
            for label, player in self.players.items()
        }
        kept = keep_states and not interrupted
        return SimulationResult(
            policies=self.policies,
            environment=self.environment,
            horizon=int(marks[-1]),
            replications=self.replications,
            seed=self.seed,
            schedule=self.schedule,
            checkpoints=marks,
            traces=traces,
            interrupted=interrupted,
            states={label: p.state for label, p in self.players.items()} if kept else None,
        )

    def _tell(self, marks: IntArray) -> None:
        if not marks.size:
            raise KeyboardInterrupt
        warnings.warn(
            f"interrupted after {self.done} of {self.horizon} rounds; "
            f"the result ends at round {marks[-1]}",
            RuntimeWarning,
            stacklevel=4,
        )


def _labelled(
    policies: AnyPolicy | Sequence[AnyPolicy] | Mapping[str, AnyPolicy],
) -> dict[str, AnyPolicy]:
    if isinstance(policies, Mapping):
        labelled = dict(policies)
    else:
        given = [policies] if isinstance(policies, Policy) else list(policies)
        labelled = {_label(policy): policy for policy in given}
        if len(labelled) < len(given):
            raise InvalidParameter(
                "two of the policies are equal; give them labels: "
                "simulate({'first': …, 'second': …}, …)"
            )
    if not labelled:
        raise InvalidParameter("policies is empty; expected at least one policy")
    for label, policy in labelled.items():
        if not isinstance(policy, Policy):
            raise InvalidParameter(
                f"policies[{label!r}] is {policy!r}, expected an instance of Policy, "
                "for example BetaTSPolicy()"
            )
    return labelled


def _label(policy: AnyPolicy) -> str:
    if not isinstance(policy, Policy):
        return repr(policy)
    name = type(policy).__name__.removesuffix("Policy")
    defaults = {spec.name: spec.default for spec in policy.parameter_specs() if not spec.required}
    told = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in policy.parameters().items()
        if key not in defaults or value != defaults[key]
    ]
    return f"{name}({', '.join(told)})" if told else name


def _horizon(horizon: int | None, environment: Environment) -> int:
    if horizon is not None:
        check_integer(horizon, name="horizon", least=1)
        return horizon
    if environment.length is None:
        raise InvalidParameter(
            f"horizon is missing: {type(environment).__name__} never ends; "
            "say how many rounds to play, for example horizon=1000"
        )
    return environment.length


def _checkpoints(checkpoints: int | Sequence[int], *, horizon: int) -> IntArray:
    if isinstance(checkpoints, int):
        return checkpoints_of(horizon, count=checkpoints)
    marks = np.asarray(checkpoints, dtype=np.int64)
    inside = marks.size and marks[0] >= 1 and marks[-1] <= horizon
    if not inside or (np.diff(marks) <= 0).any():
        raise InvalidParameter(
            f"checkpoints = {checkpoints!r}, expected increasing rounds in 1 … {horizon}"
        )
    return np.union1d(marks, [horizon])


def _nobody_watches() -> bool:
    from tqdm.notebook import tqdm as notebook_bar

    return not issubclass(tqdm, notebook_bar) and not sys.stderr.isatty()
