"""The client against proxy, motor and cortex: the whole loop, and every error by its name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from qbrix.bundle import Bundle, SigningKey, TrustedKeys, export
from qbrix.client import Client, Experiment
from qbrix.errors import (
    BundleError,
    Conflict,
    Forbidden,
    InvalidParameter,
    InvalidRequest,
    NotFound,
    ShapeError,
    SupportError,
    TokenRejected,
    Unauthorised,
)
from qbrix.ledger import Disposition
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.state import arrays_of, digest
from tests.bundle.sources import SHARES, importer
from tests.client.served import Served

_names = count()
ARMS = ["red", "green", "blue"]


def made(client: Client, policy: str = "BetaTSPolicy", **more: object) -> Experiment:
    """A new experiment with three arms."""
    name = f"experiment {next(_names)}"
    pool = client.create_pool(f"pool of {name}", ARMS)
    return client.create_experiment(name, pool=pool, policy=policy, **more)  # type: ignore[arg-type]


def traffic(client: Client, experiment: Experiment, n: int, *, dim: int = 0) -> list[str]:
    """``n`` decisions with rewards (1 for red), each delivered twice; the request ids."""
    rng = np.random.default_rng(4)
    ids = []
    for number in range(n):
        vector = rng.standard_normal(dim) if dim else None
        decision = client.select(experiment, f"user-{number}", vector=vector)
        assert decision.request_id is not None
        ids.append(decision.request_id)
        for _ in range(2):
            assert client.feedback(decision.request_id, float(decision.arm.name == "red"))
    return ids


@pytest.fixture(scope="module")
def bundle(roles: Served, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A user's policy, signed by the key that serving trusts."""
    folder = tmp_path_factory.mktemp("bundle")
    policy_class = importer(folder)(SHARES)
    return export(policy_class(), path=folder / "p.qbrix", arms=ARMS, key=roles.signing_key)


def test_pools_and_experiments_are_made_and_listed(client: Client) -> None:
    experiment = made(client, "LinUCBPolicy", parameters={"alpha": 0.5}, dim=4, floor=0.25)
    assert experiment.pool.arm_names == ("red", "green", "blue")
    assert [arm.index for arm in experiment.pool.arms] == [0, 1, 2]
    assert (experiment.parameters["alpha"], experiment.parameters["dim"]) == (0.5, 4)
    assert experiment.floor == 0.25
    assert client.experiment(experiment.name) == client.experiment(experiment.id) == experiment
    assert experiment in client.experiments()
    assert experiment.pool in client.pools()


@pytest.mark.parametrize(("policy", "dim"), [("BetaTSPolicy", 0), ("LinTSPolicy", 3)])
def test_the_log_of_traffic_folds_to_the_served_state(
    client: Client, roles: Served, policy: str, dim: int
) -> None:
    experiment = made(client, policy, **({"dim": dim} if dim else {}))
    traffic(client, experiment, 30, dim=dim)
    roles.settle()
    served, log = client.state(experiment), client.log(experiment)
    folded, verified = log.fold(), log.verify()
    assert (served.version, served.state_digest) == (folded.version, folded.state_digest)
    assert served.ledger_digest == folded.ledger_digest
    assert digest(served.state) == digest(folded.state)
    assert len(log) == 30
    assert verified.problems == ()
    assert verified.decisions == verified.recomputed == 30
    assert log.arm_names == ("red", "green", "blue")


def test_a_promoted_bundle_serves_learns_and_comes_back(
    client: Client, roles: Served, bundle: Bundle
) -> None:
    experiment = made(client)
    traffic(client, experiment, 5)
    promotion = client.promote(bundle, experiment=experiment.name)
    assert promotion.bundle == bundle.sha256
    assert promotion.certificate.bundle == bundle.sha256
    assert promotion.certificate.steps == 256
    traffic(client, experiment, 10)
    roles.settle()
    log = client.log(experiment)
    assert log.verify().problems == ()
    assert log.fold().epoch == promotion.epoch == 1
    assert log.fold().policy == bundle.policy()
    assert client.state(experiment).policy == bundle.policy()
    assert client.experiment(experiment).bundle == bundle.sha256


def test_what_decided_before_a_promotion_is_listed_and_decides_again(
    client: Client, roles: Served, bundle: Bundle
) -> None:
    experiment = made(client)
    with pytest.raises(InvalidParameter, match="nothing was promoted"):
        client.rollback(experiment)
    client.promote(bundle, experiment=experiment)
    traffic(client, experiment, 3)
    roles.settle()
    back = client.rollback(experiment.name)
    assert (back.policy, back.bundle) == (experiment.policy, None)
    forth = client.rollback(experiment)  # before the last change of policy the bundle decided
    assert forth.bundle == bundle.sha256
    history = client.history(experiment)
    assert [(one.reason, one.epoch) for one in history] == [
        ("rollback", 3),
        ("rollback", 2),
        ("promote", 1),
        ("create", 0),
    ]
    assert history[0].version > history[1].version > history[2].version > history[3].version == 0
    assert f"bundle {bundle.sha256[:12]}" in str(history[2])
    learned = history[2].version + 1  # after the promotion and before the first rollback
    assert client.rollback(experiment, to=learned).bundle == bundle.sha256
    assert client.log(experiment).verify().problems == ()
    with pytest.raises(InvalidParameter, match="to = -1"):
        client.rollback(experiment, to=-1)


def test_another_process_downloads_the_bundle_once_and_checks_its_signature(
    client: Client, roles: Served, bundle: Bundle
) -> None:
    experiment = made(client)
    client.promote(bundle, experiment=experiment)
    traffic(client, experiment, 3)
    roles.settle()
    other = roles.client(trusted=roles.trusted)
    roles.wire.seen.clear()
    other.state(experiment)
    assert other.log(experiment).verify().holds
    assert roles.wire.seen.count(f"GET /api/v1/bundles/{bundle.sha256}") == 1
    stranger = roles.client(trusted=TrustedKeys([SigningKey.generate().public]))
    with pytest.raises(BundleError) as refused:
        stranger.log(experiment)
    assert refused.value.reason == "untrusted"


@pytest.mark.parametrize("dim", [0, 3])
def test_a_decision_is_replayed_from_its_id_alone(client: Client, roles: Served, dim: int) -> None:
    experiment = made(
        client, "LinUCBPolicy" if dim else "KLUCBPolicy", **({"dim": dim} if dim else {})
    )
    traffic(client, experiment, 6, dim=dim)
    identifier = "a" * 31 + str(dim)
    vector = np.ones(dim) if dim else None
    selected = client.select(experiment, vector=vector, decision_id=identifier)
    roles.settle()
    replayed = client.replay(identifier)
    assert replayed.matches
    assert replayed.arm == selected.arm.index
    assert replayed.propensity == selected.propensity
    assert replayed.deployment.version == selected.state_version
    if vector is not None:
        np.testing.assert_array_equal(replayed.context, vector)


def test_what_decided_at_a_version_or_a_time_is_folded_from_the_ledger(
    client: Client, roles: Served
) -> None:
    experiment = made(client, "EpsilonPolicy", parameters={"eps": 0.1, "gamma": 1.0})
    began = datetime.now(UTC)
    traffic(client, experiment, 4)
    roles.settle()
    log, served = client.log(experiment), client.state(experiment)
    last = log.batches[-1].batch.version
    first = client.state_at(experiment, 0)
    assert (first.version, dict(arrays_of(first.state))["pulls"].sum()) == (0, 0)
    for version in range(last + 1):
        assert client.state_at(experiment, version).version == version
    head = client.state_at(experiment, at=datetime.now(UTC))
    assert (head.version, head.state_digest) == (served.version, served.state_digest)
    assert dict(arrays_of(head.state))["pulls"].sum() == 4
    committed = datetime.fromtimestamp(log.batches[1].committed_ms / 1000, UTC)
    assert client.state_at(experiment, at=committed).version >= 1
    assert client.state_at(experiment, at=began).version <= 1
    with pytest.raises(InvalidParameter, match=f"versions 0 … {last}"):
        client.state_at(experiment, last + 1)
    with pytest.raises(InvalidParameter, match="did not exist yet"):
        client.state_at(experiment, at=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidParameter, match="give one of them"):
        client.state_at(experiment)
    with pytest.raises(InvalidParameter, match="time zone"):
        client.state_at(experiment, at=datetime(2030, 1, 1))  # noqa: DTZ001


def test_a_decision_that_no_policy_made_says_who_forced_it(client: Client, roles: Served) -> None:
    experiment = made(client, enabled=False)
    client.select(experiment, "user")
    roles.settle()
    (decision,) = [client.log(experiment).decisions[0]]
    replayed = client.replay(decision.decision_id)
    assert replayed.forced
    assert replayed.matches
    assert "red by a pause" in repr(replayed)


def test_a_decision_that_only_the_ledger_knows_is_replayed_with_its_experiment(
    client: Client, roles: Served
) -> None:
    experiment = made(client)
    traffic(client, experiment, 3)
    roles.settle()
    identifier = client.log(experiment).rows.decision_ids[1]
    assert client.replay(identifier, experiment=experiment).matches
    with pytest.raises(NotFound):
        client.replay("0" * 32)
    with pytest.raises(NotFound, match="no decision"):
        client.replay("0" * 32, experiment=experiment)


def test_a_paused_experiment_answers_its_first_arm_and_takes_no_reward(client: Client) -> None:
    decision = client.select(made(client, enabled=False), "user")
    assert (decision.arm.index, decision.request_id, decision.is_default) == (0, None, True)
    assert not client.feedback(decision.request_id, 1.0)


def test_rewards_count_once_unless_they_have_names(client: Client, roles: Served) -> None:
    experiment = made(client)
    request_id = client.select(experiment).request_id
    first, second = (client.feedback(request_id, 1.0) for _ in range(2))
    assert (first.accepted, first.duplicate) == (True, False)
    assert (second.accepted, second.duplicate) == (True, True)
    client.feedback(request_id, 0.5, feedback_id="refund")
    roles.settle()
    log = client.log(experiment)
    assert sorted(log.rewards) == [0.5, 1.0]
    assert set(log.rows.feedback_ids) == {"", "refund"}
    assert set(log.rows.dispositions) == {int(Disposition.FOLDED)}


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda c, e: c.create_pool(e.pool.name, ["a"]), Conflict, "pool"),
        (lambda c, e: c.create_pool("no arms", []), InvalidRequest, "arms"),
        (
            lambda c, e: c.create_experiment("x", pool=e.pool, policy="BetaTT"),
            InvalidParameter,
            "BetaTSPolicy",
        ),
        (
            lambda c, e: c.create_experiment("x", pool="0" * 32, policy="BetaTSPolicy"),
            NotFound,
            "pool",
        ),
        (lambda c, e: c.select("0" * 32), NotFound, "0" * 32),
        (lambda c, e: c.select("a name that nobody has"), NotFound, "nobody has"),
        (lambda c, e: c.select(e, vector=[1.0]), ShapeError, "1 "),
        (lambda c, e: c.select(e, vector=[np.nan, 1.0]), InvalidParameter, "finite"),
        (lambda c, e: c.select(e, vector=np.ones((1, 2))), InvalidParameter, r"\(1, 2\)"),
        (
            lambda c, e: c.select(e, vector=[1.0, 2.0], decision_id="x"),
            InvalidRequest,
            "decision_id",
        ),
        (lambda c, e: c.feedback("forged", 1.0), TokenRejected, "request_id"),
        (lambda c, e: c.feedback("forged", float("nan")), InvalidParameter, "finite"),
        (lambda c, e: c.log("0" * 32), NotFound, "no experiment"),
    ],
)
def test_refusals_come_back_as_the_librarys_errors(
    client: Client,
    call: Callable[[Client, Experiment], object],
    error: type[Exception],
    sentence: str,
) -> None:
    experiment = made(client, "LinUCBPolicy", dim=2)
    with pytest.raises(error, match=sentence):
        call(client, experiment)


def test_a_reward_outside_the_support_is_refused(client: Client) -> None:
    request_id = client.select(made(client)).request_id
    with pytest.raises(SupportError, match=r"1\.5"):
        client.feedback(request_id, 1.5)


def test_without_a_valid_key_or_scope_nothing_is_answered(roles: Served, client: Client) -> None:
    stranger = Client("http://proxy", "optiq_" + "x" * 43, wire=roles.wire)
    with pytest.raises(Unauthorised):
        stranger.pools()
    with pytest.raises(Forbidden, match="pool:write"):
        roles.client(role="viewer").create_pool("mine", ["a"])
    assert "optiq_" not in repr(stranger)


def test_serving_refuses_bundles_for_their_reason(
    client: Client, bundle: Bundle, roles: Served, tmp_path: Path
) -> None:
    experiment = made(client)
    unsigned = export(BetaTSPolicy(), path=tmp_path / "p.qbrix", arms=3)
    stranger = unsigned.sign(SigningKey.generate())
    wide = export(BetaTSPolicy(), path=tmp_path / "wide", arms=4, key=roles.signing_key)
    contextual = export(
        LinUCBPolicy(), path=tmp_path / "context", arms=3, dim=2, key=roles.signing_key
    )
    for refused, reason in (
        (unsigned, "unsigned"),
        (stranger, "untrusted"),
        (wide, "fit"),
        (contextual, "fit"),
    ):
        with pytest.raises(BundleError) as refusal:
            client.promote(refused, experiment=experiment)
        assert refusal.value.reason == reason
    assert client.experiment(experiment).bundle is None
