"""Export: what reproduces is written whole, what does not is refused and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qbrix
from qbrix.bundle import SigningKey, export
from qbrix.bundle.making import make_policy
from qbrix.bundle.manifest import Library
from qbrix.environments import Bernoulli
from qbrix.errors import BundleError, InvalidParameter, ShapeError, StateMismatch
from qbrix.policies import Policy
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.state import digest, stack
from tests.bundle.sources import SHARES, Importer, PolicyClass, changed

LAW = "weight = prepared.paid + self.bonus"
LEARN = "np.add.at(state.paid, batch.arms, batch.rewards)"


def beginning_with(setup: str, text: str) -> str:
    """The file with module-level lines after its imports."""
    return changed(text, "import numpy as np", f"import numpy as np\n{setup}")


def refused(policy_class: PolicyClass, folder: Path) -> tuple[str, str]:
    """Reason and message with which an export is refused; nothing may be left in the folder."""
    target = folder / "target"
    target.mkdir()
    with pytest.raises(BundleError) as refusal:
        export(policy_class(), path=target / "p.qbrix", arms=3)
    assert list(target.iterdir()) == []
    return refusal.value.reason, str(refusal.value)


@pytest.mark.parametrize("policy", [BetaTSPolicy(alpha_prior=2.0), LinUCBPolicy(alpha=0.5)])
def test_a_catalogue_policy_is_exported_by_name_and_version(
    tmp_path: Path, policy: Policy[Any, Any]
) -> None:
    dim = 3 if policy.capabilities.context else None
    bundle = export(policy, path=tmp_path / "p.qbrix", arms=3, dim=dim)
    certificate = bundle.verify()
    assert bundle.policy() == policy
    assert bundle.manifest.policy.id == policy.identifier()
    assert bundle.manifest.policy.library == Library(distribution="qbrix-lab", version="0.1.0")
    assert set(bundle.members) == {"manifest.json", "trace.bin"}
    assert certificate.steps >= 200
    assert certificate.max_propensity_error <= 1e-10


def test_equal_exports_are_equal_files(tmp_path: Path) -> None:
    one, two = (export(RandomPolicy(), path=tmp_path / name, arms=2) for name in ("a", "b"))
    assert one == two
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == one.data


@pytest.mark.parametrize(
    ("law", "setup"),
    [
        (LAW + " + np.random.default_rng().random()", ""),
        (LAW + " + np.random.random()", ""),
        (LAW + " + time.perf_counter()", "import time"),
        (LAW + " + next(COUNTER)", "import itertools\nCOUNTER = itertools.count()"),
        (LAW + " + id(object()) % 997 + len(SEEN)\n        SEEN.append(1)", "SEEN = []"),
    ],
    ids=["fresh randomness", "process-wide randomness", "time", "a counter", "a growing list"],
)
def test_what_changes_from_call_to_call_is_refused(
    imported: Importer, tmp_path: Path, law: str, setup: str
) -> None:
    reason, message = refused(imported(beginning_with(setup, changed(SHARES, LAW, law))), tmp_path)
    assert reason == "trace"
    assert "no randomness, time, notebook variables or memory of its own" in message


def test_a_memory_that_every_start_resets_is_refused(imported: Importer, tmp_path: Path) -> None:
    # Played in the recorded order it repeats itself; asked about an older version it cannot.
    text = changed(SHARES, LAW, "weight = np.array(MEMORY) + self.bonus")
    text = changed(text, LEARN, LEARN + "\n        MEMORY[:] = state.paid.tolist()")
    text += """
    def init(self, *, n_arms, dim=0):
        MEMORY[:] = [0.0] * n_arms
        return Paid(paid=np.zeros(n_arms))
"""
    assert refused(imported(beginning_with("MEMORY = []", text)), tmp_path)[0] == "trace"


def test_a_variable_of_the_notebook_is_refused(imported: Importer, tmp_path: Path) -> None:
    policy_class = imported(changed(SHARES, LAW, LAW + " + BONUS"))
    function = policy_class.__dict__["propensities"]
    function.__globals__["BONUS"] = 2.0
    reason, message = refused(policy_class, tmp_path)
    assert reason == "trace"
    assert "fresh interpreter" in message
    assert "NameError: name 'BONUS' is not defined" in message


def test_an_environment_variable_does_not_reach_the_replay(
    imported: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_BONUS", "2")
    text = changed(SHARES, LAW, LAW + " + float(os.environ.get('MY_BONUS', 0))")
    reason, message = refused(imported(beginning_with("import os", text)), tmp_path)
    assert (reason, "fresh interpreter" in message) == ("trace", True)


def test_the_order_of_hashed_words_does_not_reach_the_replay(
    imported: Importer, tmp_path: Path
) -> None:
    text = changed(SHARES, LAW, LAW + " + hash('word') / 2**63")
    assert refused(imported(text), tmp_path)[0] == "trace"


def test_a_policy_that_writes_into_its_state_is_refused(imported: Importer, tmp_path: Path) -> None:
    text = changed(SHARES, LAW, "prepared.paid[0] += 1.0\n        " + LAW)
    reason, message = refused(imported(text), tmp_path)
    assert reason == "trace"
    assert "writes into the state" in message or "has the digest" in message


def test_a_policy_that_ignores_the_mask_is_refused(imported: Importer, tmp_path: Path) -> None:
    text = changed(SHARES, "if mask is not None:", "if False:")
    reason, message = refused(imported(text), tmp_path)
    assert reason == "trace"
    assert "which the mask forbids" in message


@pytest.mark.parametrize(
    ("law", "named"),
    [
        ("weight = 1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("weight = (prepared.paid + self.bonus).astype(np.float32)", "float32"),
        ("return np.ones(2) / 2", r"shape \(2,\)"),
        ("return np.ones(3)", "sum to 1"),
        ("return np.full(3, np.nan)", "sum to 1"),
    ],
)
def test_a_law_that_is_none_is_refused(
    imported: Importer, tmp_path: Path, law: str, named: str
) -> None:
    with pytest.raises(BundleError, match=named) as refusal:
        export(imported(changed(SHARES, LAW, law))(), path=tmp_path / "p.qbrix", arms=3)
    assert refusal.value.reason == "trace"
    assert not (tmp_path / "p.qbrix").exists()


@pytest.mark.parametrize(
    ("law", "named"),
    [
        ("weight = prepared.paid + self.bonus + abs(context[0])", r"shape \(\d+, 3\)|raises"),
        (LAW + " + np.abs(context[..., :1]) + np.abs(context).max()", "see each other"),
    ],
)
def test_a_policy_that_confuses_the_contexts_of_a_batch_is_refused(
    imported: Importer, tmp_path: Path, law: str, named: str
) -> None:
    text = changed(SHARES, "order_free=True", "context=True")
    good = imported(changed(text, LAW, LAW + " + np.abs(context[..., :1])"))
    assert export(good(), path=tmp_path / "good", arms=3, dim=2).verify().steps == 256
    with pytest.raises(BundleError, match=named) as refusal:
        export(imported(changed(text, LAW, law))(), path=tmp_path / "bad", arms=3, dim=2)
    assert refusal.value.reason == "trace"


def test_bits_that_are_only_close_are_followed_step_by_step(
    imported: Importer, tmp_path: Path
) -> None:
    text = changed(SHARES, "Capabilities(order_free=True)", 'Capabilities(bits="close")')
    text = changed(text, LEARN, "np.add.at(state.paid, batch.arms, np.exp(batch.rewards))")
    bundle = export(imported(text)(), path=tmp_path / "p.qbrix", arms=3)
    trace = bundle.trace()
    assert len(trace.states) == trace.updates + 1
    assert bundle.verify().max_state_error <= 1e-9


def test_a_state_travels_and_the_trace_starts_from_it(imported: Importer, tmp_path: Path) -> None:
    policy = make_policy(imported(SHARES), {"bonus": 2.0})
    state = policy.init(n_arms=2)
    state.paid[:] = (3.0, 5.0)
    bundle = export(policy, state=state, path=tmp_path / "p.qbrix", arms=["left", "right"])
    loaded = bundle.state()
    assert loaded is not None
    assert digest(loaded) == digest(state) == bundle.trace().digests[0]
    assert bundle.manifest.trace.starts_from == "state"
    # (3 + 2) and (5 + 2) of 12.
    np.testing.assert_allclose(bundle.policy().propensities(loaded), [5 / 12, 7 / 12], rtol=1e-15)
    np.testing.assert_array_equal(state.paid, [3.0, 5.0])


def test_a_state_with_replications_is_refused_with_the_way_to_pick_one(tmp_path: Path) -> None:
    policy = BetaTSPolicy()
    states = stack([policy.init(n_arms=2)] * 5)
    with pytest.raises(StateMismatch, match=r"leading axes \(5,\).*qbrix\.state\.take\(state, 0\)"):
        export(policy, state=states, path=tmp_path / "p.qbrix")


def test_a_state_of_another_policy_or_size_is_refused(tmp_path: Path) -> None:
    state = BetaTSPolicy().init(n_arms=2)
    with pytest.raises(StateMismatch, match="state is a Outcomes"):
        export(EpsilonPolicy(eps=0.1, gamma=1.0), state=state, path=tmp_path / "p.qbrix")
    with pytest.raises(StateMismatch, match="of 3 arms"):
        export(BetaTSPolicy(), state=state, arms=3, path=tmp_path / "p.qbrix")


def test_sizes_must_be_told_and_agree(tmp_path: Path) -> None:
    path = tmp_path / "p.qbrix"
    with pytest.raises(InvalidParameter, match="arms are missing"):
        export(BetaTSPolicy(), path=path)
    with pytest.raises(InvalidParameter, match="expected a list of names"):
        export(BetaTSPolicy(), path=path, arms="red")
    with pytest.raises(InvalidParameter, match="expected an instance"):
        export(BetaTSPolicy, path=path, arms=2)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="needs a context"):
        export(LinUCBPolicy(), path=path, arms=2)
    with pytest.raises(ShapeError, match="uses no context"):
        export(BetaTSPolicy(), path=path, arms=2, dim=3)
    with pytest.raises(ShapeError, match="expected one number"):
        export(LinUCBPolicy(), path=path, arms=2, dim=3, features=["a", "b"])
    with pytest.raises(InvalidParameter, match="the environment has 2 arms"):
        export(BetaTSPolicy(), path=path, arms=3, environment=Bernoulli([0.1, 0.2]))


def test_a_bundle_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/someone/private/study.ipynb")
    result = qbrix.simulate(
        [BetaTSPolicy()], Bernoulli([0.9, 0.1]), horizon=20, replications=2, seed=1
    )
    bundle = export(
        BetaTSPolicy(),
        path=tmp_path / "p.qbrix",
        environment=Bernoulli([0.9, 0.1]),
        evidence=result,
        seed=7,
    )
    provenance = bundle.manifest.provenance
    assert provenance.notebook == "study.ipynb"
    assert provenance.seed == 7
    assert provenance.versions["numpy"] == np.__version__
    assert provenance.environment == Bernoulli([0.9, 0.1]).spec()
    assert provenance.evidence[0]["policy"] == "BetaTS"
    assert bundle.manifest.n_arms == 2
    assert set(np.unique(bundle.trace().rewards)) <= {0.0, 1.0}


def test_evidence_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    for evidence in ({"regret": float("nan")}, {1: 2}, object()):
        with pytest.raises(InvalidParameter, match=r"evidence = .* cannot be stored"):
            export(BetaTSPolicy(), path=tmp_path / "p.qbrix", arms=2, evidence=evidence)


def test_export_signs_with_a_key_or_a_key_file(tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "signing.key")
    one = export(RandomPolicy(), path=tmp_path / "a", arms=2, key=key)
    two = export(RandomPolicy(), path=tmp_path / "b", arms=2, key=tmp_path / "signing.key")
    assert one == two
    assert one.check_signature([key.public]) == key.key_id
