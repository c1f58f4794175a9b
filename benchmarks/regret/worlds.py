"""What the scenarios are made of: policies in a few words, and worlds that need some."""

from __future__ import annotations

import numpy as np

from benchmarks.regret.scenario import AnyPolicy
from qbrix.environments import (
    Adversarial,
    Classification,
    LinearContextual,
    PiecewiseStationary,
)
from qbrix.policies import get
from qbrix.rng import stream

__all__ = ["CHANGING", "TEN_ARMS", "advice", "policies_of", "shared", "turns"]

TEN_ARMS = [0.1, *[0.05] * 3, *[0.02] * 3, *[0.01] * 3]
CHANGING = PiecewiseStationary(
    [(0.3, 0.5, 0.9), (0.3, 0.2, 0.9), (0.3, 0.2, 0.1), (0.7, 0.2, 0.1), (0.7, 0.5, 0.1)],
    changes=[1000, 2000, 3000, 4000],
)


def policies_of(text: str) -> list[AnyPolicy]:
    """Policies of a list of aliases, one a word, hyper-parameters in brackets: ``klucb(c=3)``."""
    found = []
    for word in text.split():
        alias, _, arguments = word.removesuffix(")").partition("(")
        pairs = [item.split("=") for item in arguments.split(",") if item]
        found.append(get(alias)(**{name: _value(value) for name, value in pairs}))
    return found


def _value(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def advice() -> Classification:
    """Three experts on four classes: right 8 and 5 times in 10, and one who knows nothing."""
    rng = stream(4, "advice")
    target = rng.integers(4, size=4000)
    parts = []
    for skill in (0.8, 0.5):
        said = np.where(rng.random(4000) < skill, target, rng.integers(4, size=4000))
        parts.append(np.eye(4)[said])
    advice = np.concatenate([*parts, np.full((4000, 4), 0.25)], axis=1)
    return Classification(advice, target, bias=False, name="advice")


def shared(*, n_arms: int, features: int, noise: float) -> LinearContextual:
    """Arms with features of their own and the same coefficients."""
    theta = stream(6, "shared").standard_normal(features)
    weights = np.kron(np.eye(n_arms), theta / np.sqrt((theta * theta).sum()))
    return LinearContextual(weights, noise=noise)


def turns(rounds: int) -> Adversarial:
    """Two arms that take turns of growing length: whoever trusts the past is late."""
    turn = np.floor(np.sqrt(np.arange(rounds) / 10.0)).astype(np.int64)
    return Adversarial(np.eye(2)[turn % 2])
