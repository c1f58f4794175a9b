"""`identify`: policies look for the best arm until they are sure of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from qbrix.checks import check_integer
from qbrix.environments import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.policies import IdentificationPolicy
from qbrix.policies.identification import check_confidence
from qbrix.rng import stream
from qbrix.simulator._search import Search
from qbrix.simulator.identification import Identification, IdentificationResult, joined
from qbrix.simulator.plan import labelled
from qbrix.simulator.player import check_pairing
from qbrix.simulator.spread import nobody_watches
from qbrix.simulator.unit import cut

__all__ = ["identify"]

Identifier = IdentificationPolicy[Any, Any]
Identifiers = Identifier | Sequence[Identifier] | Mapping[str, Identifier]

_MOST_ROUNDS = 100_000
_BLOCK_NUMBERS = 1 << 17
_BLOCK_ROUNDS = 128


def identify(
    policies: Identifiers,
    environment: Environment,
    *,
    confidence: float | None = 0.95,
    horizon: int | None = None,
    replications: int = 100,
    seed: int = 0,
    progress: bool = True,
) -> IdentificationResult:
    """Let policies look for the best arm; report how long it took and how often they erred.

    Parameters
    ----------
    policies : IdentificationPolicy, sequence of them, or mapping of label to policy
        In a sequence the label is the name and what differs from its defaults. A hyper-parameter
        ``confidence`` must be the one that is asked for here.
    environment : Environment
        Arms with fixed means, without contexts.
    confidence : float in (0, 1) or None, default 0.95
        Each replication ends when its policy says that it is so sure. None: nobody is asked, and
        all recommend after the whole budget ``horizon``.
    horizon : int >= 1, optional
        Most rounds; the environment's length or 100,000 by default.
    replications : int >= 1, default 100
        R independent searches.
    seed : int >= 0, default 0
        Everything random follows from it; adding or removing a policy changes nothing for others.
    progress : bool, default True
        Show a bar in a notebook or terminal.

    Returns
    -------
    IdentificationResult

    Raises
    ------
    InvalidParameter, SupportError
        Naming the policy or argument that does not fit.

    Examples
    --------
    >>> import qbrix
    >>> from qbrix.environments import Bernoulli
    >>> rivals = [qbrix.get("uniform_sampling")(), qbrix.get("track_and_stop")()]
    >>> found = qbrix.identify(rivals, Bernoulli([0.9, 0.5, 0.2]), replications=20, seed=1)
    >>> list(found.summary().index)
    ['TrackAndStop', 'UniformSampling']
    """
    rivals = _checked(policies, environment, confidence=confidence)
    check_integer(replications, name="replications", least=1)
    check_integer(seed, name="seed", least=0)
    rounds = _horizon(horizon, environment, budget=confidence is None)
    quiet = not progress or nobody_watches()
    total = replications * len(rivals)
    bar: tqdm[Any] = tqdm(total=total, unit=" searches", leave=False, disable=quiet)
    contest = _Contest(
        rivals=rivals, environment=environment, confidence=confidence, horizon=rounds, seed=seed
    )
    with bar:
        found = [
            contest.unit(number, replications=size, bar=bar)
            for number, size in enumerate(cut(replications, environment))
        ]
    return IdentificationResult(
        policies=rivals,
        environment=environment,
        confidence=confidence,
        horizon=rounds,
        replications=replications,
        seed=seed,
        searches={label: joined([unit[label] for unit in found]) for label in rivals},
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Contest:
    """Who searches where, how sure they must be, for how long at most and under which seed."""

    rivals: Mapping[str, Identifier]
    environment: Environment
    confidence: float | None
    horizon: int
    seed: int

    def unit(self, number: int, *, replications: int, bar: tqdm[Any]) -> dict[str, Identification]:
        """What everybody found in one unit of replications, which has streams of its own."""
        names = (number,) if number else ()
        searches = {
            label: Search(
                policy,
                n_arms=self.environment.n_arms,
                replications=replications,
                confidence=self.confidence,
                rng=stream(self.seed, "policy", label, *names),
            )
            for label, policy in self.rivals.items()
        }
        numbers = replications * self.environment.n_arms
        dealt = self.environment.play(
            stream(self.seed, "environment", *names),
            replications=replications,
            horizon=self.horizon,
            block=max(1, min(_BLOCK_ROUNDS, _BLOCK_NUMBERS // numbers)),
        )
        _run(searches.values(), dealt, bar=bar)
        return {label: search.found() for label, search in searches.items()}


def _run(searches: Collection[Search], dealt: Iterator[Rounds], *, bar: tqdm[Any]) -> None:
    """Play until everybody has stopped or nothing is left to deal."""
    last = None
    for rounds in dealt:
        for search in searches:
            before = search.running
            search.play(rounds)
            bar.update(before - search.running)
        last = rounds
        if not any(search.running for search in searches):
            return
    for search in searches:
        search.give_up(last)


def _checked(
    policies: object, environment: object, *, confidence: float | None
) -> dict[str, Identifier]:
    """Label → policy, once each of them can do what is asked for."""
    if not isinstance(environment, Environment) or environment.dim:
        raise InvalidParameter(
            f"environment = {environment!r}, expected an environment without contexts, "
            "for example qbrix.environments.Bernoulli([0.9, 0.8])"
        )
    if confidence is not None:
        check_confidence(confidence)
    rivals: dict[str, Identifier] = {}
    for label, policy in labelled(policies).items():
        if not isinstance(policy, IdentificationPolicy):
            raise InvalidParameter(
                f"policies[{label!r}] is {policy!r}, which recommends no arm; expected an "
                "IdentificationPolicy, for example TrackAndStopPolicy()"
            )
        own = policy.parameters().get("confidence", confidence)
        if confidence is not None and own != confidence:
            raise InvalidParameter(
                f"policies[{label!r}] samples for confidence = {own}, asked for is {confidence}; "
                f"make it with confidence={confidence}"
            )
        check_pairing(policy, environment)
        rivals[label] = policy
    return rivals


def _horizon(horizon: int | None, environment: Environment, *, budget: bool) -> int:
    if horizon is not None:
        check_integer(horizon, name="horizon", least=1)
        return horizon
    if budget:
        raise InvalidParameter(
            "horizon is missing: without a confidence it is the budget, for example horizon=1000"
        )
    return _MOST_ROUNDS if environment.length is None else environment.length
