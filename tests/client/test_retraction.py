"""Which rewards count, set and seen by the client; and rewards that are taken back."""

from __future__ import annotations

import pytest

from qbrix.client import Client
from qbrix.errors import InvalidParameter, QbrixError, TokenRejected
from qbrix.ledger import Attribution
from tests.client.served import Served
from tests.client.test_client import made, traffic


def test_an_experiment_tells_which_rewards_count(client: Client) -> None:
    attribution = Attribution(window_s=3600.0, default_reward=0.0, aggregation="last")
    experiment = made(client, attribution=attribution)
    assert experiment.attribution == attribution
    assert client.experiment(experiment.id).attribution == attribution
    assert made(client).attribution == Attribution()


def test_settings_that_the_policy_cannot_learn_are_refused(client: Client) -> None:
    with pytest.raises(InvalidParameter, match="set window_s too"):
        Attribution(default_reward=0.0)
    with pytest.raises(QbrixError, match="default_reward = 2"):
        made(client, attribution=Attribution(window_s=60.0, default_reward=2.0))


def test_a_log_with_retractions_folds_to_what_serves(roles: Served, client: Client) -> None:
    experiment = made(client)
    ids = traffic(client, experiment, 20)
    roles.settle()
    for request_id in ids[:8]:
        assert client.retract(request_id)
        assert client.retract(request_id).duplicate
    roles.settle()
    log = client.log(experiment)
    assert log.verify().holds, log.verify()
    assert len(log.effective) == 12
    assert set(log.effective.decision_ids) == set(log.decisions.decision_ids[8:])
    folded = log.fold()
    assert folded.state_digest == client.state(experiment).state_digest
    assert folded.version >= 2


def test_a_retraction_needs_a_token_of_ours(client: Client) -> None:
    with pytest.raises(TokenRejected):
        client.retract("nonsense")
