"""Replay by rejection, and the file format of the Open Bandit Dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, LinearContextual
from qbrix.errors import InvalidParameter, ShapeError, SupportError
from qbrix.evaluation import UniformLog, read_open_bandit, rejection_replay
from qbrix.policies import get
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.exp3_anytime import EXP3AnytimePolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.rng import stream
from qbrix.simulator import simulate
from tests.simulator.by_hand import ConstantPolicy

# Exactly as the files are: an index without name, hashes as user features, an affinity per item.
THIRD = "0.3333333333333333"
FILE = f"""\
,timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,\
user_feature_3,user-item_affinity_0,user-item_affinity_1,user-item_affinity_2
0,2019-11-24 00:00:12.309690+00:00,2,3,0,{THIRD},81ce,03a5,2723,c39b,0.0,0.0,1.0
1,2019-11-24 00:00:01.537660+00:00,1,1,1,{THIRD},cef3,03a5,2723,9bde,0.0,2.0,0.0
2,2019-11-24 00:00:12.309717+00:00,0,2,0,{THIRD},81ce,4c2b,2723,c39b,3.0,0.0,1.0
3,2019-11-24 00:00:12.309717+00:00,2,1,1,{THIRD},81ce,4c2b,2723,0612,0.0,0.0,1.0
"""


@pytest.fixture(name="campaign")
def _campaign(tmp_path: Path) -> Path:
    path = tmp_path / "all.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


def uniform_log(means: list[float], *, rows: int, seed: int) -> UniformLog:
    """A log of uniformly random choices among Bernoulli arms."""
    rng = stream(seed, "log")
    arms = rng.integers(len(means), size=rows)
    rewards = (rng.random(rows) < np.array(means)[arms]).astype(np.float64)
    return UniformLog(arms=arms, rewards=rewards, n_arms=len(means))


def test_a_campaign_is_read_in_the_order_of_time_with_one_hot_users(campaign: Path) -> None:
    log = read_open_bandit(campaign)
    assert log.arms.tolist() == [1, 2, 0, 2]
    assert log.rewards.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert (log.n_arms, log.support) == (3, "binary")
    assert log.features == [
        "user_feature_0=cef3",
        "user_feature_1=4c2b",
        "user_feature_3=9bde",
        "user_feature_3=c39b",
        "bias",
    ]
    assert log.contexts is not None
    assert log.contexts.tolist() == [
        [1.0, 0.0, 1.0, 0.0, 1.0],
        [0.0, 0.0, 0.0, 1.0, 1.0],
        [0.0, 1.0, 0.0, 1.0, 1.0],
        [0.0, 1.0, 0.0, 0.0, 1.0],
    ]


def test_one_position_and_the_affinities_can_be_asked_for(campaign: Path) -> None:
    log = read_open_bandit(campaign, position=1, affinity=True, bias=False)
    assert log.arms.tolist() == [1, 2]
    assert log.contexts is not None
    assert log.contexts[:, -3:].tolist() == [[0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]


def test_a_campaign_that_was_not_logged_uniformly_is_refused(campaign: Path) -> None:
    campaign.write_text(FILE.replace(THIRD, "0.25"), encoding="utf-8")
    with pytest.raises(InvalidParameter, match=r"100% of the propensities differ from 1/3"):
        read_open_bandit(campaign)
    campaign.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InvalidParameter, match="no column 'item_id'"):
        read_open_bandit(campaign)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0.5,1,0,0.5", "'item_id' holds values that are not whole"),
        (",1,0,0.5", "'item_id' holds values that are not whole"),
        ("0,1,often,0.5", "'click' holds values that are no numbers"),
        ("0,1,0,", "propensities differ from 1/2"),
    ],
)
def test_broken_rows_are_refused_and_not_rounded(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "all.csv"
    path.write_text(f"item_id,position,click,propensity_score\n1,1,0,0.5\n{row}\n")
    with pytest.raises(InvalidParameter, match=said):
        read_open_bandit(path)


@pytest.mark.parametrize("policies", [[], {}, "ucb1", ["ucb1"], None])
def test_what_is_no_policy_is_refused_by_name(policies: Any) -> None:
    log = UniformLog(arms=np.array([0, 1]), rewards=np.array([0.0, 1.0]), n_arms=2)
    with pytest.raises(InvalidParameter, match="policies"):
        rejection_replay(policies, log)


def test_a_constant_policy_earns_what_its_arm_was_paid() -> None:
    """Rows 0, 2 and 3 chose arm 1 and were paid 1, 0 and 1."""
    log = UniformLog(
        arms=np.array([1, 0, 1, 1, 2]), rewards=np.array([1.0, 9.0, 0.0, 1.0, 9.0]), n_arms=3
    )
    found = rejection_replay({"one": ConstantPolicy(arm=1)}, log)
    assert found.matches["one"].tolist() == [3]
    assert found.rewards["one"][0].tolist() == [1.0, 0.0, 1.0]
    row = found.summary().loc["one"]
    assert row["mean_reward"] == pytest.approx(2.0 / 3.0)
    # Student with 2 degrees of freedom: 4.302653 · √(1/3) / √3.
    assert row["mean_reward_high"] - row["mean_reward"] == pytest.approx(4.302653 / 3.0, rel=1e-6)


def test_the_interval_of_shares_without_any_click_reaches_up() -> None:
    """kl(0, m) = −ln(1 − m), so that its end is 1 − (0.025)^(1/50)."""
    log = UniformLog(arms=np.zeros(50, dtype=np.int64), rewards=np.zeros(50), n_arms=1)
    row = rejection_replay({"it": ConstantPolicy()}, log).summary().loc["it"]
    assert row["mean_reward_low"] == 0.0
    assert row["mean_reward_high"] == pytest.approx(1.0 - 0.025 ** (1.0 / 50.0), abs=1e-9)


def test_a_share_of_one_in_k_rows_matches_whatever_the_policy_does() -> None:
    """8000 rows, four arms: Binomial(8000, 1/4), 6 standard deviations."""
    log = uniform_log([0.1, 0.2, 0.3, 0.4], rows=8000, seed=1)
    found = rejection_replay([EpsilonPolicy(eps=0.1, gamma=1.0), RandomPolicy()], log)
    for matches in found.matches.values():
        assert abs(matches[0] - 2000) <= 6.0 * np.sqrt(8000 * 3.0 / 16.0)


@pytest.mark.parametrize(
    "policy", [EpsilonPolicy(eps=0.2, gamma=1.0), EXP3AnytimePolicy()], ids=repr
)
def test_replayed_rewards_agree_with_a_simulation(policy: Any) -> None:
    """Theorem 1 of the paper: rewards of the first 100 matches are those of 100 rounds.

    50 logs against 1000 replications, 5.5 combined standard errors: false alarm below 1e-6.
    """
    means = [0.2, 0.5, 0.8]
    sums = []
    for seed in range(50):
        log = uniform_log(means, rows=450, seed=seed)
        (rewards,) = rejection_replay({"it": policy}, log, seed=seed).rewards["it"]
        sums.append(rewards[:100].sum())
    race = simulate(
        {"it": policy}, Bernoulli(means), horizon=100, replications=1000, seed=5, progress=False
    )
    simulated = race.traces["it"].reward[:, -1]
    error = np.hypot(np.std(sums) / np.sqrt(50), simulated.std() / np.sqrt(1000))
    assert abs(np.mean(sums) - simulated.mean()) <= 5.5 * error


def test_a_contextual_policy_learns_from_the_matches() -> None:
    """Uniform choice earns 0 ± 0.045 on these arms over 500 matches; LinUCB far more."""
    environment = LinearContextual([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], noise=0.1)
    (rounds,) = environment.play(stream(4), replications=1, horizon=1500, block=1500)
    assert rounds.contexts is not None
    arms = stream(4, "arms").integers(3, size=1500)
    log = UniformLog(
        arms=arms,
        rewards=rounds.rewards[np.arange(1500), 0, arms],
        n_arms=3,
        contexts=rounds.contexts[:, 0],
    )
    table = rejection_replay([LinUCBPolicy(alpha=0.3), RandomPolicy()], log).summary()
    assert list(table.index) == ["LinUCB", "Random"]
    low, high = table["mean_reward_low"], table["mean_reward_high"]
    assert float(low.iloc[0]) > 0.6
    assert float(high.iloc[1]) < 0.4


def test_passes_repeat_with_fresh_randomness_and_equal_seeds_repeat_exactly() -> None:
    log = uniform_log([0.3, 0.6], rows=400, seed=2)
    one, other = (
        rejection_replay([EpsilonPolicy(eps=0.5, gamma=1.0)], log, passes=3, seed=7)
        for _ in range(2)
    )
    for a, b in zip(one.rewards["Epsilon"], other.rewards["Epsilon"], strict=True):
        np.testing.assert_array_equal(a, b)
    assert len({rewards.tobytes() for rewards in one.rewards["Epsilon"]}) == 3
    shuffled = rejection_replay(
        [EpsilonPolicy(eps=0.5, gamma=1.0)], log, passes=3, shuffle=True, seed=7
    )
    assert shuffled.rewards["Epsilon"][0].tobytes() != one.rewards["Epsilon"][0].tobytes()


def test_what_does_not_fit_is_refused() -> None:
    arms = np.array([0, 1])
    with pytest.raises(InvalidParameter, match="arms contain 1, expected 0 … 0"):
        UniformLog(arms=arms, rewards=np.zeros(2), n_arms=1)
    with pytest.raises(ShapeError, match=r"rewards have shape \(3,\), arms have \(2,\)"):
        UniformLog(arms=arms, rewards=np.zeros(3), n_arms=2)
    with pytest.raises(InvalidParameter, match="not finite"):
        UniformLog(arms=arms, rewards=np.array([0.0, np.nan]), n_arms=2)
    log = UniformLog(arms=arms, rewards=np.array([0.0, -2.0]), n_arms=2)
    with pytest.raises(SupportError, match="the log holds continuous rewards"):
        rejection_replay([BetaTSPolicy()], log)
    with pytest.raises(InvalidParameter, match="LinUCBPolicy decides by context, the log has none"):
        rejection_replay([get("lin_ucb")()], log)
    with pytest.raises(InvalidParameter, match="the same name; give them labels"):
        rejection_replay([RandomPolicy(), RandomPolicy()], log)
