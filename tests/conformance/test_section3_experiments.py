"""Section 3 of the public API: experiments, on both transports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.clients import Client, Json, refused
from tests.conformance.making import NOBODY, new_experiment, new_pool, unique
from tests.conformance.rest import Rest
from tests.waiting import until

V1 = "/api/v1"
EXPERIMENT = {
    *("id", "name", "pool_id", "policy", "policy_params", "enabled", "created_at", "updated_at"),
    *("pool", "feature_gate"),
}
SCHEMA = [
    {"type": "boolean", "name": "member"},
    {"type": "numeric", "name": "n", "min": 0, "max": 9},
]


def test_an_experiment_embeds_its_pool_and_gate(client: Client) -> None:
    pool = new_pool(client)
    name = unique("experiment")
    made = client.create_experiment(
        name=name,
        pool_id=pool["id"],
        policy="BetaTSPolicy",
        policy_params={"alpha_prior": 2},
        feature_gate={"default_arm_id": pool["arms"][1]["id"]},
    )
    assert set(made) >= EXPERIMENT
    assert (made["name"], made["pool_id"], made["policy"]) == (name, pool["id"], "BetaTSPolicy")
    assert made["policy_params"] == {"alpha_prior": 2, "beta_prior": 1}
    assert made["enabled"] is True
    assert made["pool"] == pool
    gate = made["feature_gate"]
    assert gate["enabled"] is True
    assert gate["rollout_percentage"] == 100
    assert gate["default_arm_id"] == pool["arms"][1]["id"]
    assert client.get_experiment(made["id"]) == made


def test_an_answer_over_http_has_no_other_experiment_behind_it(rest: Rest) -> None:
    made = new_experiment(rest)
    assert made["meta_experiment_id"] is None
    assert made["feature_gate"] is None


def test_experiments_are_searched_filtered_and_listed_newest_first(client: Client) -> None:
    pool = new_pool(client)["id"]
    mark = unique("")  # so that nobody else is found
    rows = [
        (f"Checkout Red{mark}", True),
        (f"checkout blue{mark}", False),
        ("Landing" + mark, True),
    ]
    ids = [new_experiment(client, pool_id=pool, name=n, enabled=on)["id"] for n, on in rows]

    def found(**query: Any) -> list[int]:
        said = client.list_experiments(**query)
        assert said["limit"] == query.get("limit", 100)
        return [ids.index(one["id"]) for one in said["experiments"] if one["id"] in ids]

    assert found() == [2, 1, 0]
    assert found(limit=2, offset=1) == [1, 0]
    assert found(search="CHECK") == [1, 0]
    assert found(search=f"OUT RED{mark}".upper()) == [0]
    assert found(search="%") == []
    assert found(search="") == [2, 1, 0]
    assert found(enabled=True) == [2, 0]
    assert found(enabled=False) == [1]
    assert found(search="checkout", enabled=False) == [1]
    assert client.list_experiments(search=mark, limit=1)["experiments"][0]["id"] == ids[2]
    assert client.list_experiments()["experiments"][0] == client.get_experiment(ids[2])
    assert [one["id"] for one in client.pool_experiments(pool)] == ids[::-1]


@pytest.mark.parametrize("search", ["übersicht", "ÜBERSICHT", "Übers", "ERSICHT"])
def test_a_search_knows_small_and_capital_letters_of_every_script(
    client: Client, search: str
) -> None:
    made = new_experiment(client, name=unique("Übersicht"))
    found = client.list_experiments(search=search)["experiments"]
    assert made["id"] in [one["id"] for one in found]


def test_what_cannot_be_an_experiment_is_refused(client: Client) -> None:
    made = new_experiment(client)
    for wrong in (
        {"policy": "NoSuchPolicy"},
        {"policy_params": {"alpha_prior": 0}},
        {"policy_params": {"alpha_prior": "one"}},
        {"policy_params": {"alpha_prior": True}},
        {"policy_params": {"gamma": 0.5}},
        {"policy": "LinTSPolicy"},
        {"policy": "LinTSPolicy", "policy_params": {"dim": 1025}},
        {"policy": "LinTSPolicy", "policy_params": {"dim": 3, "context_schema": SCHEMA}},
        {"policy": "LinTSPolicy", "policy_params": {"context_schema": []}},
    ):
        with refused(400, "INVALID_POLICY_PARAMS"):
            new_experiment(client, pool_id=made["pool_id"], **wrong)
    with refused(404, "POOL_NOT_FOUND"):
        new_experiment(client, pool_id=NOBODY)
    with refused(409, "CONFLICT"):
        new_experiment(client, pool_id=made["pool_id"], name=made["name"])
    with refused(422, "VALIDATION_ERROR"):
        new_experiment(client, feature_gate={"rollout_percentage": 101.0})


@pytest.mark.parametrize("experiment", [NOBODY, "nonsense"])
def test_an_experiment_that_is_not_there_is_not_found(client: Client, experiment: str) -> None:
    for call in (client.get_experiment, client.delete_experiment, client.select):
        with refused(404, "EXPERIMENT_NOT_FOUND"):
            call(experiment)
    with refused(404, "EXPERIMENT_NOT_FOUND"):
        client.update_experiment(experiment, enabled=False)


def test_a_deleted_experiment_is_gone_and_its_name_is_free(client: Client) -> None:
    made = new_experiment(client)
    client.delete_experiment(made["id"])
    with refused(404, "EXPERIMENT_NOT_FOUND"):
        client.get_experiment(made["id"])
    with refused(404, "EXPERIMENT_NOT_FOUND"):
        client.select(made["id"])
    again = new_experiment(client, pool_id=made["pool_id"], name=made["name"])
    assert again["id"] != made["id"]


def test_policy_params_replace_what_was_there(client: Client) -> None:
    made = new_experiment(client, policy_params={"alpha_prior": 5, "beta_prior": 7})
    changed = client.update_experiment(made["id"], policy_params={"beta_prior": 3})
    assert changed["policy_params"] == {"alpha_prior": 1, "beta_prior": 3}
    assert (
        client.update_experiment(made["id"], enabled=False)["policy_params"]
        == (changed["policy_params"])
    )
    with refused(400, "INVALID_POLICY_PARAMS"):
        client.update_experiment(made["id"], policy_params={"beta_prior": -3})
    with refused(400, "INVALID_POLICY_PARAMS"):
        client.update_experiment(made["id"], policy_params={"unknown": 3})
    assert client.get_experiment(made["id"])["policy_params"] == changed["policy_params"]


def test_new_policy_params_act_at_once(client: Client) -> None:
    """Greedy after eps = 1: with b rewarded, everybody gets b; before, anybody may get any arm."""
    made = new_experiment(client, "EpsilonPolicy", policy_params={"eps": 1, "gamma": 1})
    chosen = set()
    for n in range(60):
        decision = client.select(made["id"], f"u{n}")
        chosen.add(decision["arm"]["name"])
        client.feedback(decision["request_id"], float(decision["arm"]["name"] == "b"))
    assert chosen == {"a", "b", "c"}  # missed by one in 10**10 runs
    client.update_experiment(made["id"], policy_params={"eps": 0, "gamma": 1})

    def everybody_gets_b() -> bool:
        return {client.select(made["id"], f"v{n}")["arm"]["name"] for n in range(20)} == {"b"}

    until(everybody_gets_b)


def test_a_context_is_for_life(client: Client) -> None:
    with_dim = new_experiment(client, "LinTSPolicy", policy_params={"dim": 3})["id"]
    changed = client.update_experiment(with_dim, policy_params={"v": 2})
    assert changed["policy_params"] == {"dim": 3, "v": 2, **_others(changed)}
    assert client.update_experiment(with_dim, policy_params={"dim": 3})["policy_params"]["v"] == 1
    with refused(409, "CONTEXT_DIM_IMMUTABLE"):
        client.update_experiment(with_dim, policy_params={"dim": 4})
    with refused(409, "CONTEXT_SCHEMA_IMMUTABLE"):
        client.update_experiment(with_dim, policy_params={"context_schema": SCHEMA})
    made = new_experiment(client, "LinTSPolicy", policy_params={"context_schema": SCHEMA})
    assert made["policy_params"]["dim"] == 3
    assert made["policy_params"]["context_schema"] == SCHEMA
    kept = client.update_experiment(made["id"], policy_params=made["policy_params"])
    assert kept["policy_params"] == made["policy_params"]
    with refused(409, "CONTEXT_SCHEMA_IMMUTABLE"):
        client.update_experiment(made["id"], policy_params={"context_schema": SCHEMA[:1]})


def test_what_is_learned_from_a_structure_keeps_it(client: Client) -> None:
    """``k`` of Dirichlet sampling is how many levels a reward has: the state's columns."""
    made = new_experiment(client, "DirichletTSPolicy", policy_params={"k": 3})
    with refused(409, "STRUCTURAL_PARAM"):
        client.update_experiment(made["id"], policy_params={"k": 4})


def test_a_reset_begins_a_new_epoch_and_keeps_the_log(rest: Rest) -> None:
    made = new_experiment(rest)
    url = f"{V1}/experiments/{made['id']}"
    with refused(409, "EXPERIMENT_RUNNING"):
        rest.ask("POST", f"{url}/reset")
    for _ in range(5):
        rest.feedback(rest.select(made["id"])["request_id"], 1.0)
    rest.update_experiment(made["id"], enabled=False)
    assert rest.ask("POST", f"{url}/reset")["id"] == made["id"]
    state = rest.ask("GET", f"{url}/state")
    assert state["epoch"] == 1
    epochs = [batch["epoch"] for batch in rest.ask("GET", f"{url}/ledger")["batches"]]
    assert (epochs[0], epochs[-1]) == (0, 1)
    with refused(404, "EXPERIMENT_NOT_FOUND"):
        rest.ask("POST", f"{V1}/experiments/{NOBODY}/reset")


def test_an_experiment_may_come_back_as_it_was_answered(rest: Rest) -> None:
    params: Json = {"context_schema": SCHEMA}
    gate = {"rollout_percentage": 50.0, "rules": [{"key": "n", "operator": "eq", "value": 1}]}
    made = new_experiment(rest, "LinUCBPolicy", policy_params=params, feature_gate=gate)
    same = rest.ask("PATCH", f"{V1}/experiments/{made['id']}", made)
    assert {**same, "updated_at": ""} == {**made, "updated_at": ""}
    body = {**made, "name": unique("copy"), "policy_params": params}
    copy = rest.ask("POST", f"{V1}/experiments", body)
    assert copy["feature_gate"]["rules"] == made["feature_gate"]["rules"]


def test_learning_has_its_defaults(rest: Rest) -> None:
    made = new_experiment(rest)
    assert made["learning"] == {
        "window_s": None,
        "default_reward": None,
        "aggregation": "first",
        "exploration_floor": 0.0,
        "reward_range": None,
    }
    learning = {"exploration_floor": 0.25, "reward_range": [0, 10]}
    changed = rest.update_experiment(made["id"], learning=learning)
    assert changed["learning"] == {**made["learning"], **learning}
    for wrong in (
        {"exploration_floor": 1.5},
        {"reward_range": [1, 0]},
        {"aggregation": "mean"},
        {"window": 1},
    ):
        with refused(422, "VALIDATION_ERROR"):
            rest.update_experiment(made["id"], learning=wrong)


@pytest.mark.parametrize("field", ["name", "enabled", "policy_params"])
def test_null_is_none_of_these(rest: Rest, field: str) -> None:
    with refused(422, "VALIDATION_ERROR"):
        rest.update_experiment(new_experiment(rest)["id"], **{field: None})


def _others(shown: Json) -> Json:
    """Hyper-parameters of ours beside those that the API names."""
    params: Json = shown["policy_params"]
    return {name: value for name, value in params.items() if name not in ("dim", "v")}
