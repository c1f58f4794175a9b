"""References resolved: the right code with the right hyper-parameters, or an error that helps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qbrix.bundle import Bundle, BundleResolver, Certificate, export
from qbrix.errors import BundleError, InvalidParameter, UnknownName
from qbrix.ledger import Batch, Configuration, Control, PolicyRef, genesis
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy


def test_a_library_policy_is_found_by_id_name_and_alias() -> None:
    for name in ("BetaTSPolicy@1", "BetaTSPolicy", "beta_ts"):
        ref = PolicyRef(name=name, parameters={"alpha_prior": 2})
        assert BundleResolver().policy(ref) == BetaTSPolicy(alpha_prior=2.0)


def test_whole_numbers_become_floats_where_floats_are_declared() -> None:
    policy = BundleResolver().policy(PolicyRef(name="epsilon", parameters={"eps": 0, "gamma": 1}))
    assert isinstance(policy, EpsilonPolicy)
    assert [type(policy.eps), type(policy.gamma)] == [float, float]


@pytest.mark.parametrize(
    ("ref", "error", "message"),
    [
        (PolicyRef(name="BetaTPolicy"), UnknownName, "did you mean BetaTSPolicy"),
        (PolicyRef(name="BetaTSPolicy@2"), InvalidParameter, "BetaTSPolicy@1 is installed here"),
        (
            PolicyRef(name="beta_ts", parameters={"alpha": 1}),
            InvalidParameter,
            "no hyper-parameter 'alpha'; it has: alpha_prior, beta_prior",
        ),
        (PolicyRef(name="epsilon", parameters={"eps": 0.1}), InvalidParameter, "needs .* 'gamma'"),
        (
            PolicyRef(name="beta_ts", parameters={"alpha_prior": 0}),
            InvalidParameter,
            "alpha_prior=0",
        ),
        (PolicyRef(name="beta_ts", parameters={"alpha_prior": "1"}), InvalidParameter, "'1'"),
        (PolicyRef(name="Shares@1", bundle="00"), UnknownName, "unknown bundle '00'"),
    ],
)
def test_what_cannot_be_resolved_is_named(
    ref: PolicyRef, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        BundleResolver().policy(ref)


def test_a_bundled_policy_takes_the_hyper_parameters_of_the_reference(shares: Bundle) -> None:
    resolver = BundleResolver({shares.sha256: shares})
    ref = PolicyRef(name="Shares@1", parameters={"bonus": 3.0}, bundle=shares.sha256)
    assert resolver.policy(ref).parameters() == {"bonus": 3.0}


def test_a_bundle_with_another_policy_than_the_reference_is_refused(shares: Bundle) -> None:
    resolver = BundleResolver({shares.sha256: shares})
    for resolve in (resolver.policy, resolver.bundle_state):
        with pytest.raises(
            BundleError, match=r"holds Shares@1, the configuration asks for Shares@2"
        ):
            resolve(PolicyRef(name="Shares@2", bundle=shares.sha256))


def test_a_promotion_starts_from_the_bundles_state(tmp_path: Path) -> None:
    policy = BetaTSPolicy()
    state = policy.init(n_arms=2)
    state.successes[:] = (4.0, 1.0)
    bundle = export(policy, state=state, path=tmp_path / "p.qbrix")
    ref = PolicyRef(name="BetaTSPolicy@1", bundle=bundle.sha256)
    configuration = Configuration(policy=ref, n_arms=2)
    control = Control(reason="promote", configuration=configuration, start="bundle")
    batch = Batch(epoch=0, version=0, control=control)
    deployment = genesis("e", batch, BundleResolver({bundle.sha256: bundle}))
    np.testing.assert_array_equal(deployment.state.successes, [4.0, 1.0])  # type: ignore[attr-defined]


def test_a_bundle_without_a_state_starts_anew(shares: Bundle) -> None:
    resolver = BundleResolver({shares.sha256: shares})
    state = resolver.bundle_state(PolicyRef(name="Shares@1", bundle=shares.sha256))
    np.testing.assert_array_equal(state.paid, np.zeros(3))  # type: ignore[attr-defined]


def test_a_certificate_survives_its_json(shares: Bundle) -> None:
    certificate = shares.verify()
    again = Certificate.from_json(certificate.to_json())
    assert again == certificate
    assert certificate.to_json().startswith('{"format":1,')
    assert (again.bundle, again.policy, again.steps) == (shares.sha256, "Shares@1", 256)
    with pytest.raises(BundleError, match="not of format 1"):
        Certificate.from_json("{}")
