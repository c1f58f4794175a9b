"""Laws of policies that find the best arm: they recommend one, and know when to stop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.policies import IdentificationPolicy
from qbrix.simulator import simulate
from qbrix.state import State
from qbrix.testing.chance_laws import example_environment
from qbrix.testing.contract import expect, refusal
from qbrix.testing.subject import Subject

__all__ = [
    "check_less_confidence_stops_earlier",
    "check_recommendation_is_an_arm",
    "check_recommends_the_best_arm",
    "check_stops_on_evidence",
]

Identifier = IdentificationPolicy[Any, Any]

_LEVELS = (0.01, 0.5, 0.9, 0.95, 0.99, 1.0 - 1e-9)


def check_recommendation_is_an_arm(policy: Identifier) -> None:
    """Every state has a recommendation, the same alone and among others; ties may be drawn."""
    subject = Subject(policy)
    states = [subject.init(), subject.learned("few", rows=2), subject.learned("many")]
    together = policy.recommend(subject.replicated(*states))
    drawn = policy.recommend(subject.replicated(*states), rng=subject.rng("recommend"))
    for arms in (together, drawn):
        expect(np.shape(arms) == (3,), f"recommend returned shape {np.shape(arms)} for 3 states")
        expect(arms.dtype.kind == "i", f"recommend returned {arms.dtype}")
        expect(((arms >= 0) & (arms < subject.n_arms)).all(), f"recommend returned {arms}")
    alone = [int(policy.recommend(state)) for state in states]
    expect(alone == together.tolist(), f"alone {alone}, together {together.tolist()}")
    best = policy.merits(states[0]).max(-1)
    even = [int(policy.recommend(states[0], rng=subject.rng(str(i)))) for i in range(60)]
    tied = np.flatnonzero(policy.merits(states[0]) >= best)
    expect(set(even) == set(tied), f"of {tied} that tie, {sorted(set(even))} were drawn")


def check_stops_on_evidence(policy: Identifier) -> None:
    """It stops for good when one arm always pays and no other does, and recommends that arm.

    With one arm it stops at once, with several it never begins stopped.
    """
    subject = Subject(policy)
    first = policy.stopped(subject.init(), confidence=0.5)
    expect(not first, "it has stopped before the first observation")
    for rows in (600, 1000):
        state = _decisive(subject, rows=rows)
        expect(policy.stopped(state, confidence=0.95), "it goes on although all is plain")
        expect(int(policy.recommend(state)) == 1, "it recommends an arm that never paid")
    single = Subject(policy, n_arms=1)
    expect(policy.stopped(single.init(), confidence=0.95), "it goes on with a single arm")


def check_less_confidence_stops_earlier(policy: Identifier) -> None:
    """What stops at a confidence stops at every lower one; what is no probability is refused."""
    subject = Subject(policy)
    parts = [_decisive(subject, rows=4 * rows) for rows in (0, 1, 5, 15, 40, 100, 200)]
    states = subject.replicated(*parts, subject.learned("stopping"))
    answers = [policy.stopped(states, confidence=level) for level in _LEVELS]
    for level, answer in zip(_LEVELS, answers, strict=True):
        expect(np.shape(answer) == (8,), f"stopped returned shape {np.shape(answer)} for 8 states")
        expect(answer.dtype == np.bool_, f"stopped returned {answer.dtype}")
        alone = [bool(policy.stopped(state, confidence=level)) for state in parts]
        expect(alone == answer[:-1].tolist(), f"alone {alone}, together {answer[:-1].tolist()}")
    for low, high in pairwise(answers):
        expect((low | ~high).all(), f"stopped at confidences {_LEVELS}: {np.array(answers)}")
    for nonsense in (0.0, 1.0, float("nan")):
        with refusal(InvalidParameter, naming="confidence", of=f"confidence = {nonsense}"):
            policy.stopped(states, confidence=nonsense)


def check_recommends_the_best_arm(policy: Identifier) -> None:
    """After 400 rounds on its own example it recommends the best arm more often than chance.

    100 replications, of which 75 must be right. Who recommends at random, among two arms or more,
    passes with a probability of less than 1e-6.
    """
    environment = example_environment(policy)
    race = simulate(
        {"policy": policy},
        environment,
        horizon=400,
        replications=100,
        seed=Subject(policy).seed,
        keep_states=True,
        progress=False,
    )
    assert race.states is not None
    rng = Subject(policy).rng("best")
    (dealt,) = environment.play(rng, replications=100, horizon=1)
    arms = policy.recommend(race.states["policy"], rng=rng)
    means = np.take_along_axis(dealt.means[-1], arms[:, None], axis=-1)[:, 0]
    right = int((means == dealt.best[-1]).sum())
    expect(right >= 75, f"on {environment} it is right in {right} of 100 replications")


def _decisive(subject: Subject, *, rows: int) -> State:
    """A state after each arm was observed in turn; arm 1 always paid 1, the others 0."""
    batch = subject.batch(subject.rng("decisive"), rows=rows)
    arms = np.arange(rows) % subject.n_arms
    paid = replace(batch, arms=arms, rewards=(arms == 1).astype(np.float64))
    state: State = subject.policy.update(subject.init(), paid)
    return state
