"""One decision without arrays of probabilities: the same arm, or none where a look is needed."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.ledger import Decider
from qbrix.policies._counts import share, sole
from qbrix.policies._linear import Moments
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.types import Interactions

DIM = 5


def learned(*, n_arms: int) -> Moments:
    rng = np.random.default_rng(4)
    policy = LinUCBPolicy(alpha=0.7)
    batch = Interactions(
        arms=rng.integers(n_arms, size=200),
        rewards=rng.standard_normal(200),
        propensities=np.ones(200),
        state_versions=np.zeros(200, dtype=np.int64),
        contexts=rng.standard_normal((200, DIM)),
    )
    return policy.update(policy.init(n_arms=n_arms, dim=DIM), batch)


@pytest.mark.parametrize("n_arms", [1, 2, 10])
def test_one_context_at_a_time_decides_as_many_do(n_arms: int) -> None:
    policy = LinUCBPolicy(alpha=0.7)
    prepared = policy.prepare(learned(n_arms=n_arms))
    contexts = np.random.default_rng(5).standard_normal((300, DIM))
    law = policy.propensities(prepared, contexts)
    arms = [policy.certain(prepared, context) for context in contexts]
    assert arms == law.argmax(-1).tolist()
    assert (law.max(-1) == 1.0).all()
    decider, u = Decider(policy, prepared), 0.3
    many = decider.decide_many(np.full(300, u), contexts)
    assert [decider.decide(u, context) for context in contexts] == many


def test_arms_that_tie_are_left_to_the_law() -> None:
    """Nothing is known of any arm: all of them share."""
    policy = LinUCBPolicy()
    prepared = policy.prepare(policy.init(n_arms=4, dim=DIM))
    assert policy.certain(prepared, np.ones(DIM)) is None
    assert [Decider(policy, prepared).decide(u, np.ones(DIM)).arm for u in (0.1, 0.9)] == [0, 3]


@pytest.mark.parametrize(
    "scores", [[1.0], [1.0, 2.0], [2.0, 2.0 - 1e-9], [3e9, 3e9 - 1.0, 5.0], [0.0, 0.0, -1.0]]
)
def test_an_arm_is_sole_where_the_shares_are_one_and_zero(scores: list[float]) -> None:
    law = share(np.array(scores))
    assert sole(scores) == (law.argmax() if law.max() == 1.0 else None)


def test_what_is_no_context_is_told_as_ever() -> None:
    policy = LinUCBPolicy()
    decider = Decider(policy, policy.prepare(learned(n_arms=3)))
    for wrong, error in (
        (np.array([1.0, np.nan, 0.0, 0.0, 0.0]), InvalidParameter),
        (np.array([1.0, np.inf, 0.0, 0.0, 0.0]), InvalidParameter),
        (np.ones(DIM + 1), ShapeError),
        (None, ShapeError),
    ):
        with pytest.raises(error):
            decider.decide(0.5, wrong)


def test_with_a_floor_or_an_arm_retired_the_law_decides() -> None:
    policy = LinUCBPolicy()
    prepared, context = policy.prepare(learned(n_arms=3)), np.ones(DIM)
    best = policy.certain(prepared, context)
    assert best is not None
    mixed = Decider(policy, prepared, floor=0.3).decide(0.5, context)
    assert mixed.propensity < 1.0
    mask = np.ones(3, dtype=np.bool_)
    mask[best] = False
    assert Decider(policy, prepared, mask=mask).decide(0.5, context).arm != best
