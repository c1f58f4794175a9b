"""Any regressor or classifier of scikit-learn as a policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from qbrix.checks import check_features, param
from qbrix.policies._counts import share, uniform
from qbrix.policies._estimators import classifies, estimator_of, text_of
from qbrix.policies._fitted import Fitted, Recipe
from qbrix.policies._neighbourhood import Remembered, remember
from qbrix.policies._questions import Questions
from qbrix.policies._varying import varying
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import zeros
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["FromEstimatorPolicy"]

Models = tuple[tuple[Fitted, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Models [state][arm][model], and the observations of the arms, (..., K)."""

    models: list[Models]
    pulls: Array
    dim: int


@lru_cache(maxsize=256)
def _capabilities(policy: FromEstimatorPolicy) -> Capabilities:
    return replace(
        FromEstimatorPolicy.capabilities,
        reward="binary" if classifies(policy.estimator) else "continuous",
        propensity="closed" if policy.models == 1 else "points",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FromEstimatorPolicy(Policy[Remembered, Ready]):
    r"""Choose the arm that an estimator of scikit-learn expects to pay most, and explore a little.

    .. math::

        p_a = \frac{\epsilon}{K} + \frac{1 - \epsilon}{M} \sum_m
            1\bigl\{a = \arg\max_b \hat f_{m,b}(x)\bigr\}

    Every arm has a model of its own, fitted to its rows among the last w interactions. With M > 1
    there are M of them per arm, each fitted to a bootstrap sample in which a row counts twice or
    not at all, and they vote. Unobserved arms come first; predictions that tie share evenly.

    Parameters
    ----------
    estimator : str, default "sklearn.linear_model.Ridge(alpha=1.0)"
        A regressor, or a classifier with ``predict_proba`` for rewards of 0 and 1, as scikit-learn
        is imported: ``"sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression())"``. `of` writes it down for an object. Random
        states that are left open are 0.
    epsilon : float in [0, 1], default 0.1
        ε, share of uniform exploration.
    models : int from 1 to 64, default 1
        M.
    every : int >= 1, default 10
        An arm's models are fitted anew whenever its number of observations is a multiple of this;
        before the first time its mean reward stands for them.
    window : int >= 1, default 1000
        w, interactions that are remembered. Another number needs a reset.

    Examples
    --------
    >>> policy = FromEstimatorPolicy(estimator="sklearn.tree.DecisionTreeRegressor(max_depth=3)")
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4]))
    array([0.5, 0.5])

    Notes
    -----
    With constant ε regret grows linearly, with a slope of ε times the mean gap beyond what the
    models get wrong; no bound holds for estimators in general. *Applies when* a model that is known
    to predict well should decide. Fitting happens off the hot path, once per version; delay and
    batches cost it little. A prediction takes some 50 µs per arm and model.

    References
    ----------
    Pedregosa et al. (2011), *Scikit-learn: Machine Learning in Python*. Bietti, Agarwal and
    Langford (2021), *A Contextual Bandit Bake-off*, section 3 (ε-greedy and bagging).
    """

    estimator: str = param("sklearn.linear_model.Ridge(alpha=1.0)", doc="estimator, as text")
    epsilon: float = param(0.1, gte=0, lte=1, doc="share of uniform exploration")
    models: int = param(1, gte=1, lte=64, doc="number of models that vote")
    every: int = param(10, gte=1, doc="observations of an arm between two fits")
    window: int = param(1000, gte=1, doc="interactions that are remembered", structural=True)

    state_type = Remembered
    capabilities = varying(
        Capabilities(
            context=True,
            reward="continuous",
            propensity="closed",
            category="contextual",
            propensities_cost="M K · predict",
            update_cost="d",
        ),
        of=_capabilities,
    )

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        estimator_of(self.estimator)

    @classmethod
    def example(cls) -> Self:
        """A short memory."""
        return cls(window=200)

    @classmethod
    def of(cls, estimator: Any, **hyper_parameters: Any) -> Self:
        """The policy around an estimator object, which is written down as text.

        Examples
        --------
        >>> from sklearn.linear_model import Lasso
        >>> FromEstimatorPolicy.of(Lasso(alpha=0.1), epsilon=0.2).estimator
        'sklearn.linear_model.Lasso(alpha=0.1)'
        """
        return cls(estimator=text_of(estimator), **hyper_parameters)

    def init(self, *, n_arms: int, dim: int = 0) -> Remembered:
        """The state before the first interaction; ``dim`` is at least 1."""
        check_features(dim, owner=type(self).__name__)
        return zeros(Remembered, K=n_arms, w=self.window, d=dim)

    def prepare(self, state: Remembered) -> Ready:
        """Fit every arm's models."""
        return self._ready(state, {})

    def advance(self, prepared: Ready, state: Remembered, batch: Interactions) -> Ready:
        """Fit the models whose rows have changed."""
        known = {
            model.fingerprint: model
            for models in prepared.models
            for arm in models
            for model in arm
            if model.fingerprint
        }
        return self._ready(state, known)

    def propensities(
        self, prepared: Ready, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        asked = Questions.of(prepared.pulls, context, mask, dim=prepared.dim)
        n_arms = prepared.pulls.shape[-1]
        votes = np.empty((len(asked.owner), n_arms))
        for some, models in _together(prepared.models, asked):
            allowed = None if asked.mask is None else asked.mask[some]
            votes[some] = _votes(models, asked.contexts[some], allowed)
        votes = votes.reshape(*asked.leading, n_arms)
        return self.epsilon * uniform(votes.shape, mask) + (1.0 - self.epsilon) * votes

    def update_in_place(self, state: Remembered, batch: Interactions) -> None:
        """Put each row in the place of the oldest one."""
        remember(state, batch, weighed=False)

    def _ready(self, state: Remembered, known: dict[bytes, Fitted]) -> Ready:
        recipe = Recipe(estimator=self.estimator, models=self.models, every=self.every)
        models, dim = recipe.fitted(state, known), state.contexts.shape[-1]
        return Ready(models=models, pulls=state.pulls.copy(), dim=dim)


def _together(models: list[Models], asked: Questions) -> list[tuple[Any, Models]]:
    """Questions to the same models, which are asked all at once: their numbers, the models."""
    found: dict[tuple[int, ...], tuple[list[int], Models]] = {}
    for number, owner in enumerate(asked.owner.tolist()):
        key = tuple(id(model) for arm in models[owner] for model in arm)
        found.setdefault(key, ([], models[owner]))[0].append(number)
    return [(np.array(numbers), own) for numbers, own in found.values()]


def _votes(models: Models, contexts: Array, mask: BoolArray | None) -> Array:
    """Share of the models that expect most of each arm, (b, K)."""
    many = len(models[0])
    votes = np.zeros((len(contexts), len(models)))
    for model in range(many):
        scores = np.stack([arm[model].scores(contexts) for arm in models], axis=-1)
        votes += share(scores, mask)
    return votes / many
