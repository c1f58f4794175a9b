"""Section 7 of the public API: policies by name, on both transports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.clients import Client, Json, refused
from tests.conformance.making import new_experiment
from tests.conformance.rest import Rest
from tests.waiting import until

REQUIRED = object()
DIM = ("integer", REQUIRED, {"gte": 1, "lte": 1024})

# Name → parameters as (type, default, constraints that the API names).
PARAMETERS: dict[str, dict[str, tuple[str, Any, Json]]] = {
    "BetaTSPolicy": {
        "alpha_prior": ("number", 1, {"gt": 0}),
        "beta_prior": ("number", 1, {"gt": 0}),
    },
    "DiscountedTSPolicy": {
        "alpha_prior": ("number", 1, {"gt": 0}),
        "beta_prior": ("number", 1, {"gt": 0}),
        "gamma": ("number", REQUIRED, {"gt": 0, "lt": 1}),
    },
    "GaussianTSPolicy": {
        "prior_mean": ("number", 0, {}),
        "prior_precision": ("number", 1, {}),
        "noise_precision": ("number", 1, {}),
    },
    "DirichletTSPolicy": {
        "k": ("integer", REQUIRED, {"gt": 1}),
        "concentration_prior": ("number", 1, {}),
    },
    "LinTSPolicy": {"dim": DIM, "v": ("number", 1, {})},
    "LogisticTSPolicy": {
        "dim": DIM,
        "lambda_": ("number", 1, {}),
        "lr": ("number", 0.1, {}),
    },
    "UCB1TunedPolicy": {"alpha": ("number", 2, {})},
    "KLUCBPolicy": {
        "c": ("number", 0, {"gte": 0}),
        "tolerance": ("number", 1e-6, {}),
        "max_iterations": ("integer", 50, {}),
    },
    "KLUCBPlusPolicy": {
        "c": ("number", 0, {"gte": 0}),
        "tolerance": ("number", 1e-6, {}),
        "max_iterations": ("integer", 50, {}),
    },
    "LinUCBPolicy": {"dim": DIM, "alpha": ("number", 1.5, {})},
    "GLMUCBPolicy": {
        "dim": DIM,
        "alpha": ("number", 1.5, {}),
        "lambda_": ("number", 1, {}),
        "lr": ("number", 0.1, {}),
    },
    "EpsilonPolicy": {
        "eps": ("number", REQUIRED, {"gte": 0, "lte": 1}),
        "gamma": ("number", REQUIRED, {"gte": 0, "lte": 1}),
    },
    "MOSSPolicy": {"horizon": ("integer", REQUIRED, {"gt": 0})},
    "MOSSAnyTimePolicy": {},
    "EXP3Policy": {"gamma": ("number", 0.1, {})},
    "EXP3IXPolicy": {
        "gamma": ("number", 0.1, {"gt": 0, "lte": 1}),
        "eta": ("number", 0.1, {"gt": 0, "lte": 1}),
    },
    "FPLPolicy": {"eta": ("number", 5, {})},
    "RandomPolicy": {},
    "MetaBanditPolicy": {},
}
ANY = {"binary", "bounded", "continuous"}
REWARDS: dict[str, set[str]] = {
    "BetaTSPolicy": {"binary", "bounded"},
    "DiscountedTSPolicy": {"binary", "bounded"},
    "KLUCBPolicy": {"binary", "bounded"},
    "KLUCBPlusPolicy": {"binary", "bounded"},
    "EXP3Policy": {"binary", "bounded"},
    "EXP3IXPolicy": {"binary", "bounded"},
    "DirichletTSPolicy": {"bounded"},
    "UCB1TunedPolicy": {"bounded"},
    "MOSSPolicy": {"bounded"},
    "MOSSAnyTimePolicy": {"bounded"},
    "LogisticTSPolicy": {"binary"},
    "GLMUCBPolicy": {"binary"},
    "GaussianTSPolicy": {"continuous"},
    "LinTSPolicy": ANY,
    "LinUCBPolicy": ANY,
    "EpsilonPolicy": ANY,
    "FPLPolicy": ANY,
    "RandomPolicy": ANY,
    "MetaBanditPolicy": ANY,
}
GIVEN: dict[str, Json] = {  # what has no default
    "DiscountedTSPolicy": {"gamma": 0.9},
    "DirichletTSPolicy": {"k": 2},
    "EpsilonPolicy": {"eps": 0.1, "gamma": 1},
    "MOSSPolicy": {"horizon": 1000},
    **{
        name: {"dim": 2}
        for name in ("LinTSPolicy", "LogisticTSPolicy", "LinUCBPolicy", "GLMUCBPolicy")
    },
}


def test_there_are_nineteen() -> None:
    assert len(PARAMETERS) == len(REWARDS) == 19


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_policy_is_listed_as_the_api_names_it(client: Client, name: str) -> None:
    (policy,) = [one for one in client.policies() if one["name"] == name]
    assert set(policy) == {"name", "category", "reward_types", "description", "user_params"}
    assert policy["category"] in {"stochastic", "contextual", "adversarial", "meta"}
    assert set(policy["reward_types"]) == REWARDS[name]
    assert len(policy["reward_types"]) == len(REWARDS[name])
    assert policy["description"]
    listed = {param["name"]: param for param in policy["user_params"]}
    for parameter, (kind, default, constraints) in PARAMETERS[name].items():
        shown = listed.pop(parameter)
        assert set(shown) - {"default"} == {
            *("name", "type", "required", "description", "constraints"),
        }
        assert shown["type"] == kind
        assert shown["required"] is (default is REQUIRED)
        assert shown.get("default") == (None if default is REQUIRED else default)
        assert shown["constraints"].items() >= constraints.items()
        assert set(shown["constraints"]) <= {"gt", "gte", "lt", "lte"}
    assert not any(param["required"] for param in listed.values())  # ours have defaults


def test_a_reward_type_filters(client: Client) -> None:
    for reward_type in ("binary", "bounded", "continuous"):
        names = {policy["name"] for policy in client.policies(reward_type)}
        wanted = {name for name, rewards in REWARDS.items() if reward_type in rewards}
        assert names & set(REWARDS) == wanted
        assert all(reward_type in one["reward_types"] for one in client.policies(reward_type))


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_policy_decides_and_learns_under_its_name(client: Client, name: str) -> None:
    made = new_experiment(client, name, policy_params=GIVEN.get(name, {}))
    assert made["policy"] == name
    shown = made["policy_params"]
    for parameter, (_, default, _) in PARAMETERS[name].items():
        given = GIVEN.get(name, {}).get(parameter, default)
        assert shown[parameter] == given
    context: dict[str, Any] = {"vector": [1.0, 0.5]} if "dim" in shown else {}
    decision = client.select(made["id"], **context)
    assert client.feedback(decision["request_id"], 1.0)["accepted"] is True


@pytest.mark.parametrize("name", PARAMETERS)
def test_required_is_required_and_unknown_is_unknown(client: Client, name: str) -> None:
    given = GIVEN.get(name, {})
    for parameter in given:
        rest = {key: value for key, value in given.items() if key != parameter}
        with refused(400, "INVALID_POLICY_PARAMS") as caught:
            new_experiment(client, name, policy_params=rest)
        assert parameter in caught.value.detail
    for smuggled in ("colour", "pulls", "alpha", "successes", "state"):
        if smuggled in PARAMETERS[name]:
            continue
        with refused(400, "INVALID_POLICY_PARAMS") as caught:
            new_experiment(client, name, policy_params={**given, smuggled: [1, 2, 3]})
        assert smuggled in caught.value.detail


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("BetaTSPolicy", {"alpha_prior": 0}),
        ("BetaTSPolicy", {"beta_prior": -1}),
        ("DiscountedTSPolicy", {"gamma": 0}),
        ("DiscountedTSPolicy", {"gamma": 1}),
        ("DirichletTSPolicy", {"k": 1}),
        ("DirichletTSPolicy", {"k": 2.5}),
        ("EpsilonPolicy", {"eps": 1.1, "gamma": 1}),
        ("EpsilonPolicy", {"eps": 0.1, "gamma": -0.1}),
        ("MOSSPolicy", {"horizon": 0}),
        ("EXP3IXPolicy", {"eta": 0}),
        ("EXP3IXPolicy", {"gamma": 1.1}),
        ("KLUCBPolicy", {"c": -0.1}),
        ("LinTSPolicy", {"dim": 0}),
        ("LinTSPolicy", {"dim": 1025}),
    ],
)
def test_a_constraint_is_kept(client: Client, name: str, wrong: Json) -> None:
    with refused(400, "INVALID_POLICY_PARAMS"):
        new_experiment(client, name, policy_params={**GIVEN.get(name, {}), **wrong})


@pytest.mark.parametrize("word", ["auto", ""])
def test_auto_is_a_portfolio(client: Client, word: str) -> None:
    made = new_experiment(client, word)
    assert made["policy"] == "MetaBanditPolicy"
    learners = made["policy_params"]["learners"]
    assert isinstance(learners, list)
    assert len(learners) >= 2
    assert made["policy_params"]["use_context"] is False
    kept = client.update_experiment(made["id"], policy_params={"learners": learners})
    assert kept["policy_params"] == made["policy_params"]
    decision = client.select(made["id"])
    assert client.feedback(decision["request_id"], 1.0)["accepted"] is True


def test_auto_takes_a_reward_type_and_a_context(client: Client) -> None:
    continuous = new_experiment(client, "auto", policy_params={"reward_type": "continuous"})
    decision = client.select(continuous["id"])
    assert client.feedback(decision["request_id"], -3.5)["accepted"] is True
    params = {"use_context": True, "dim": 2}
    by_dim = new_experiment(client, "auto", policy_params=params)
    assert by_dim["policy_params"]["dim"] == 2
    assert client.select(by_dim["id"], vector=[1.0, 2.0])["request_id"]
    with refused(400, "INVALID_CONTEXT_VECTOR"):
        client.select(by_dim["id"], vector=[1.0])
    schema = [{"type": "boolean", "name": "member"}]
    described = {"use_context": True, "context_schema": schema}
    by_schema = new_experiment(client, "auto", policy_params=described)
    assert by_schema["policy_params"]["dim"] == 2
    assert client.select(by_schema["id"], properties={"member": True})["request_id"]
    with refused(400, "INVALID_POLICY_PARAMS"):
        new_experiment(client, "auto", policy_params={"reward_type": "ternary"})


def test_a_bounded_reward_adds_its_part(rest: Rest) -> None:
    """Beta(1 + ¼, 1 + ¾) beats two of Beta(1, 1) with chance E[x²] = 1.25·2.25 / (3·4)."""
    made = new_experiment(rest)
    decision = rest.select(made["id"])
    rest.feedback(decision["request_id"], 0.25)
    url = f"/api/v1/experiments/{made['id']}/state"
    until(lambda: rest.ask("GET", url)["version"] >= 1)
    law = rest.ask("GET", url)["propensities"]
    chosen = decision["arm"]["index"]
    expected = [0.234375 if arm == chosen else 0.3828125 for arm in range(3)]
    assert law == pytest.approx(expected, abs=1e-9)
