"""Races: who meets what, and what does not depend on what."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, Classification, LinearContextual, Rounds
from qbrix.errors import InvalidParameter, ShapeError, SupportError
from qbrix.policies import Policy
from qbrix.policies._counts import Rewards
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.exp3 import EXP3Policy
from qbrix.policies.klucb import KLUCBPolicy
from qbrix.policies.lin_ts import LinTSPolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.meta_bandit import MetaBanditPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.simulator import SimulationResult, simulate, unit
from qbrix.simulator.plan import labelled
from qbrix.state import digest
from qbrix.types import Array, Interactions
from tests.simulator.by_hand import (
    ConstantPolicy,
    NewLawPolicy,
    ReadingPolicy,
    ShortcutPolicy,
    TwoArmedPolicy,
    WeighingPolicy,
)

ARMS = Bernoulli([0.2, 0.7, 0.4])
BETA_TS = BetaTSPolicy()
KL_UCB = KLUCBPolicy()


def race(policies: Any, environment: Any = ARMS, **options: Any) -> SimulationResult:
    settings = {"horizon": 300, "replications": 8, "seed": 5, "progress": False, **options}
    return simulate(policies, environment, **settings)


def assert_equal_traces(a: SimulationResult, b: SimulationResult, label: str) -> None:
    for name in ("regret", "reward", "best", "pulls"):
        assert np.array_equal(getattr(a.traces[label], name), getattr(b.traces[label], name)), name


def test_the_regret_of_a_constant_choice_is_its_gap_times_the_rounds() -> None:
    result = race({"worst": ConstantPolicy(arm=0), "best": ConstantPolicy(arm=1)})
    expected = np.broadcast_to(0.5 * result.checkpoints, (8, len(result.checkpoints)))
    np.testing.assert_allclose(result.traces["worst"].regret, expected, rtol=1e-12)
    assert (result.traces["worst"].best == 0).all()
    assert (result.traces["best"].regret == 0.0).all()
    assert np.array_equal(result.traces["best"].best[3], result.checkpoints)
    assert result.traces["worst"].pulls[-1].tolist() == [8 * 300, 0, 0]


def test_equal_choices_meet_equal_rewards_under_every_label() -> None:
    result = race({"a": ConstantPolicy(arm=1), "b": ConstantPolicy(arm=1)})
    assert np.array_equal(result.traces["a"].reward, result.traces["b"].reward)


def test_adding_a_policy_never_changes_the_numbers_of_another() -> None:
    alone = race({"ts": BETA_TS})
    accompanied = race({"first": KL_UCB, "ts": BETA_TS, "last": RandomPolicy()})
    assert_equal_traces(alone, accompanied, "ts")


def test_the_seed_decides_everything() -> None:
    first, again, other = race([BETA_TS]), race([BETA_TS]), race([BETA_TS], seed=6)
    assert_equal_traces(first, again, "BetaTS")
    assert not np.array_equal(first.traces["BetaTS"].regret, other.traces["BetaTS"].regret)


@pytest.mark.parametrize(
    ("policy", "environment"),
    [
        (KL_UCB, ARMS),
        (EXP3Policy(gamma=0.1), ARMS),
        (LinTSPolicy(), LinearContextual.random(n_arms=3, dim=4)),
    ],
)
def test_the_size_of_blocks_changes_no_decision(
    policy: Policy[Any, Any], environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Except by Thompson sampling of clicks, whose sleepers are told anew with every block."""
    whole = race({"it": policy}, environment)
    monkeypatch.setattr(unit, "_BLOCK_ROUNDS", 7)
    cut = race({"it": policy}, environment).traces["it"]
    assert np.array_equal(cut.pulls, whole.traces["it"].pulls)
    np.testing.assert_allclose(cut.regret, whole.traces["it"].regret, rtol=1e-12)
    np.testing.assert_allclose(cut.reward, whole.traces["it"].reward, rtol=1e-12)


def test_a_longer_race_begins_like_a_shorter_one() -> None:
    short = race([BETA_TS], horizon=100, checkpoints=[50, 100])
    long = race([BETA_TS], horizon=300, checkpoints=[50, 100, 300])
    assert np.array_equal(short.traces["BetaTS"].regret, long.traces["BetaTS"].regret[:, :2])


def test_a_policy_learns_with_the_exact_propensity_and_version_of_each_decision() -> None:
    result = race([TwoArmedPolicy()], Bernoulli([0.5, 0.5]), keep_states=True)
    assert result.states is not None
    state: Any = result.states["TwoArmed"]
    assert (state.batches == 300).all()
    assert (state.newest_version == 299).all()
    chosen = (state.weight * [0.25, 0.75]).round(9)
    assert np.array_equal(chosen, chosen.round())
    assert np.array_equal(chosen.sum(-1), np.full(8, 300.0))
    assert result.traces["TwoArmed"].pulls[-1].tolist() == chosen.sum(0).tolist()


def test_draws_follow_the_law() -> None:
    """19,200 draws of probability 1/4, 5 standard deviations: false alarm below 6e-7."""
    result = race([TwoArmedPolicy()], Bernoulli([0.5, 0.5]), replications=64)
    share = result.traces["TwoArmed"].pulls[-1, 0] / 19_200
    assert abs(share - 0.25) <= 5.0 * np.sqrt(0.25 * 0.75 / 19_200)


def test_contexts_reach_the_policy_of_their_own_replication_and_round() -> None:
    labels = np.arange(40) % 3
    environment = Classification(labels[:, None], labels)
    result = race([ReadingPolicy()], environment, horizon=None)
    assert result.horizon == 40
    assert (result.traces["Reading"].regret == 0.0).all()
    assert (result.traces["Reading"].reward[:, -1] == 40.0).all()


def test_a_shortcut_is_used_where_it_is_the_latest_word_on_drawing() -> None:
    last, first = [0, 0, 8 * 300], [8 * 300, 0, 0]
    result = race([ShortcutPolicy(), NewLawPolicy()])
    assert result.traces["Shortcut"].pulls[-1].tolist() == last
    assert result.traces["NewLaw"].pulls[-1].tolist() == first


def test_a_shortcut_is_not_used_where_learning_needs_the_propensity() -> None:
    """1200 draws of probability 3/4, all equal with probability 1e-150."""
    result = race([WeighingPolicy()], Bernoulli([0.5, 0.5]), keep_states=True)
    assert 0 < result.traces["Weighing"].pulls[-1, 0] < 1200
    assert result.states is not None
    state: Any = result.states["Weighing"]
    np.testing.assert_allclose((state.weight * [0.25, 0.75]).sum(-1), 300.0, rtol=1e-12)


class StepwiseKLUCBPolicy(KLUCBPolicy):
    """Learns in place, one round after the other."""

    __slots__ = ()

    def update_in_place(self, state: Rewards, batch: Interactions) -> None:
        KLUCBPolicy.update_in_place(self, state, batch)


class PureKLUCBPolicy(KLUCBPolicy):
    """Learns into a new state, in batches of its own."""

    __slots__ = ()

    def update(self, state: Rewards, batch: Interactions) -> Rewards:
        return KLUCBPolicy.update(self, state, batch)


def test_learning_in_place_and_into_new_states_is_the_same() -> None:
    in_place = race({"it": StepwiseKLUCBPolicy()}, keep_states=True)
    pure = race({"it": PureKLUCBPolicy()}, keep_states=True)
    assert_equal_traces(in_place, pure, "it")
    assert digest(in_place.state("it")) == digest(pure.state("it"))


def test_a_policy_without_context_plays_where_there_is_one() -> None:
    result = race([RandomPolicy()], LinearContextual.random(n_arms=2, dim=3))
    assert result.traces["Random"].pulls[-1].sum() == 8 * 300


def test_final_states_are_kept_on_request_only() -> None:
    with pytest.raises(InvalidParameter, match="keep_states=True"):
        race([BETA_TS]).state("BetaTS")
    result = race([BETA_TS], keep_states=True)
    state: Any = result.state("BetaTS", replication=3)
    assert state.successes.shape == (3,)
    assert state.successes.sum() == result.traces["BetaTS"].reward[3, -1]
    assert state.successes.sum() + state.failures.sum() == 300.0


def test_labels_are_names_with_what_differs_from_the_defaults() -> None:
    ucb = LinUCBPolicy
    result = race(
        [ucb(), ucb(alpha=0.3), ReadingPolicy(), ConstantPolicy(arm=2)],
        Classification.digits(),
        horizon=2,
    )
    assert set(result.traces) == {"LinUCB", "LinUCB(alpha=0.3)", "Reading", "Constant(arm=2)"}


def test_what_a_policy_fills_in_by_itself_is_no_part_of_its_label() -> None:
    """The portfolio's learners follow from the kind of rewards, where nobody names others."""
    race = [MetaBanditPolicy(), MetaBanditPolicy(gamma=0.5), MetaBanditPolicy(reward_type="binary")]
    assert list(labelled(race)) == [
        "MetaBandit",
        "MetaBandit(gamma=0.5)",
        "MetaBandit(reward_type=binary)",
    ]


def test_one_policy_needs_no_list() -> None:
    assert list(race(BETA_TS).traces) == ["BetaTS"]


@pytest.mark.parametrize(
    ("policies", "options", "error", "said"),
    [
        ([], {}, InvalidParameter, "policies is empty"),
        (None, {}, InvalidParameter, "policies = None, expected a policy, a list of policies or"),
        ("ucb1", {}, InvalidParameter, "policies = 'ucb1', expected a policy"),
        ({1: BETA_TS}, {}, InvalidParameter, "the label 1 of a policy is not a string"),
        ([BETA_TS, BetaTSPolicy()], {}, InvalidParameter, "the same name; give them labels"),
        ({"class": BetaTSPolicy}, {}, InvalidParameter, r"policies\['class'\] is .*instance"),
        ([BETA_TS], {"horizon": None}, InvalidParameter, "horizon is missing: Bernoulli never"),
        ([BETA_TS], {"horizon": 0}, InvalidParameter, "horizon = 0"),
        ([BETA_TS], {"replications": 0}, InvalidParameter, "replications = 0"),
        ([BETA_TS], {"replications": 1e9}, InvalidParameter, "replications = 1000000000.0, expe"),
        ([BETA_TS], {"replications": 10**9}, InvalidParameter, r"take [\d,]{15,} bytes.* has"),
        ([BETA_TS], {"seed": -1}, InvalidParameter, "seed = -1"),
        ([BETA_TS], {"checkpoints": 1}, InvalidParameter, "checkpoints = 1"),
        ([BETA_TS], {"checkpoints": [5, 5]}, InvalidParameter, r"checkpoints = \[5, 5\]"),
        ([BETA_TS], {"checkpoints": []}, InvalidParameter, r"checkpoints = \[\]"),
        ([BETA_TS], {"checkpoints": [0.5]}, InvalidParameter, r"checkpoints = \[0.5\]"),
        ([BETA_TS], {"schedule": 3}, InvalidParameter, "schedule = 3, expected a Schedule"),
        ([BETA_TS], {"executor": 4}, InvalidParameter, "executor = 4, expected a concurrent.fut"),
        ([BETA_TS], {"folder": 4}, InvalidParameter, "folder = 4, expected a path"),
        ([BETA_TS], {"checkpoints": [301]}, InvalidParameter, r"increasing rounds in 1 … 300"),
        ([LinUCBPolicy()], {}, InvalidParameter, "LinUCBPolicy decides by context, Bernoulli"),
        ([BETA_TS], {"environment": [0.9, 0.8]}, InvalidParameter, "expected an instance of Env"),
        (
            [BETA_TS],
            {"environment": LinearContextual.random(n_arms=2, dim=2)},
            SupportError,
            "LinearContextual pays continuous rewards, BetaTSPolicy learns from bounded ones",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(
    policies: Any, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        race(policies, **options)


def test_a_law_without_replications_is_refused() -> None:
    class FlatPolicy(ConstantPolicy):
        def propensities(self, prepared: Any, context: Any = None, *, mask: Any = None) -> Array:
            return np.array([1.0, 0.0, 0.0])

    with pytest.raises(
        ShapeError, match=r"FlatPolicy.propensities returned shape \(3,\).*\(2, 3\)"
    ):
        race([FlatPolicy()])


class Interrupted(Bernoulli):
    """Somebody presses Ctrl-C while the third block is dealt."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        whole = super().deal(rng, replications=replications, sizes=sizes)
        yield next(whole)
        yield next(whole)
        raise KeyboardInterrupt


def test_an_interrupted_race_ends_at_the_last_checkpoint_that_everybody_passed() -> None:
    place = Interrupted([0.2, 0.7, 0.4])
    marks = [100, 200, 250, 300, 1000]
    with pytest.warns(
        RuntimeWarning, match="after 256 of 1000 rounds; the result ends at round 250"
    ):
        result = race([BETA_TS, KL_UCB], place, horizon=1000, checkpoints=marks, keep_states=True)
    assert result.interrupted
    assert result.horizon == 250
    assert result.states is None
    whole = race([BETA_TS, KL_UCB], ARMS, horizon=250, checkpoints=[100, 200, 250])
    assert_equal_traces(result, whole, "BetaTS")
    assert_equal_traces(result, whole, "KLUCB")


def test_an_interrupt_before_the_first_checkpoint_is_passed_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        race([BETA_TS], Interrupted([0.2, 0.7]), horizon=1000, checkpoints=[1000])


def test_nothing_is_printed_where_nobody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        race([BETA_TS], progress=True)
    assert capfd.readouterr() == ("", "")
