"""Models of every arm's rewards, fitted to a memory of interactions by scikit-learn."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.policies._counts import UNOBSERVED
from qbrix.policies._estimators import classifies, estimator_of
from qbrix.policies._hashing import row_words, tosses
from qbrix.policies._in_order import rows
from qbrix.policies._neighbourhood import Remembered
from qbrix.types import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model of one arm's rewards; a number where there is too little to fit."""

    fingerprint: bytes
    estimator: Any
    constant: float

    def scores(self, contexts: Array) -> Array:
        """What the arm is expected to pay, (b, d) to (b,)."""
        if self.estimator is None:
            return np.full(len(contexts), self.constant)
        with _quick():
            if hasattr(self.estimator, "classes_"):
                found = self.estimator.predict_proba(contexts)[:, 1]
            else:
                found = self.estimator.predict(contexts)
        scores = np.asarray(found, dtype=np.float64).reshape(-1)
        if not np.isfinite(scores).all():
            raise InvalidParameter(
                f"estimator = {self.estimator!r} predicts {scores[~np.isfinite(scores)][0]}, "
                "expected finite numbers; choose another estimator or scale the features"
            )
        return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How models are fitted: estimator, number of models per arm, observations between fits."""

    estimator: str
    models: int
    every: int

    def fitted(
        self, state: Remembered, known: Mapping[bytes, Fitted]
    ) -> list[tuple[tuple[Fitted, ...], ...]]:
        """Models [state][arm][model] of the flattened states; ``known`` ones are not made again."""
        found = dict(known)
        result = []
        for number, pulls in enumerate(rows(state.pulls)):
            order = _order(state, pulls)
            arms = rows(state.arms)[number, order]
            contexts, rewards = (
                rows(state.contexts, axes=2)[number, order],
                rows(state.rewards)[number, order],
            )
            result.append(
                tuple(
                    self._arm(arm, count, contexts[arms == arm], rewards[arms == arm], found)
                    for arm, count in enumerate(pulls.tolist())
                )
            )
        return result

    def _arm(
        self, arm: int, count: float, x: Array, r: Array, found: dict[bytes, Fitted]
    ) -> tuple[Fitted, ...]:
        """The models of an arm that was observed ``count`` times, the last of them being (x, r)."""
        newer = int(count) % self.every
        old = max(len(r) - newer, 0) if count >= self.every else 0
        if not old:
            mean = float(r.mean()) if len(r) else UNOBSERVED
            return (Fitted(fingerprint=b"", estimator=None, constant=mean),) * self.models
        if self.models == 1:
            return (self._one(x[:old], r[:old], found),)
        ordinals = count - len(r) + np.arange(float(old))
        words = row_words(np.full(old, arm), ordinals, r[:old], x[:old])
        coins = tosses(words, count=self.models)
        return tuple(self._one(x[:old][heads], r[:old][heads], found) for heads in coins.T)

    def _one(self, x: Array, r: Array, found: dict[bytes, Fitted]) -> Fitted:
        fingerprint = hashlib.blake2b(x.tobytes() + r.tobytes(), digest_size=16).digest()
        if fingerprint not in found:
            constant = float(r.mean()) if len(r) else 0.0
            flat = len(r) == 0 or (classifies(self.estimator) and r.min() == r.max())
            estimator = None if flat else self._estimator(x, r)
            found[fingerprint] = Fitted(
                fingerprint=fingerprint, estimator=estimator, constant=constant
            )
        return found[fingerprint]

    def _estimator(self, x: Array, r: Array) -> Any:
        twice = 1 if self.models == 1 else 2
        try:
            with _quick():
                return estimator_of(self.estimator).fit(np.tile(x, (twice, 1)), np.tile(r, twice))
        except ValueError as error:
            raise InvalidParameter(
                f"estimator = {self.estimator!r} cannot be fitted to {len(r)} observations: "
                f"{error}; raise every, or choose an estimator that needs fewer"
            ) from error


def _order(state: Remembered, pulls: Array) -> Any:
    """Places that are in use, oldest first."""
    window, seen = state.rewards.shape[-1], int(pulls.sum())
    first = seen % window if seen > window else 0
    return (first + np.arange(min(seen, window))) % window


def _quick() -> Any:
    """What is fitted and asked was checked: scikit-learn need not look again."""
    sklearn = importlib.import_module("sklearn")
    return sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
