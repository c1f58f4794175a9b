"""Where code comes from, and how it is loaded again under a name of its own."""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

from qbrix.bundle import Bundle, export
from qbrix.bundle.manifest import Library
from qbrix.bundle.source import OwnSource, find_source, load_class
from qbrix.errors import BundleError, InvalidParameter
from qbrix.policies.beta_ts import BetaTSPolicy
from tests.bundle.sources import SHARES, Importer, changed
from tests.bundle.test_format import with_manifest


def refusal(policy_class: type) -> tuple[str, str]:
    """Reason and message with which the source of a class is refused."""
    with pytest.raises(BundleError) as refused:
        find_source(policy_class)
    return refused.value.reason, str(refused.value)


def test_a_catalogue_policy_comes_from_our_distribution() -> None:
    assert find_source(BetaTSPolicy) == Library(distribution="qbrix-lab", version="0.1.0")


def test_a_users_policy_comes_from_its_file_byte_for_byte(imported: Importer) -> None:
    policy_class = imported(SHARES + "# naïve\n")
    source = find_source(policy_class)
    assert isinstance(source, OwnSource)
    assert source.content == (SHARES + "# naïve\n").encode()
    assert source.file_name == f"{policy_class.__module__}.py"
    assert source.requires == {}


def test_a_class_of_a_plain_cell_is_refused_with_the_way_out(imported: Importer) -> None:
    policy_class = imported(SHARES)
    policy_class.__module__ = "__main__"
    reason, message = refusal(policy_class)
    assert reason == "main"
    assert "%%policy my_policy.py" in message


def test_a_class_inside_a_function_is_refused(imported: Importer) -> None:
    policy_class = imported(SHARES)
    policy_class.__qualname__ = "make.<locals>.Shares"
    assert refusal(policy_class)[0] == "source"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("import my_helpers", "'my_helpers'"),
        ("from my_helpers.deep import thing", "'my_helpers'"),
        ("from . import helpers", "relative import"),
        ("def later():\n    import my_helpers", "'my_helpers'"),
    ],
)
def test_a_file_that_imports_its_neighbours_is_refused(
    imported: Importer, monkeypatch: pytest.MonkeyPatch, line: str, named: str
) -> None:
    for name in ("my_helpers", "my_helpers.deep"):
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
    sys.modules["my_helpers.deep"].thing = 1  # type: ignore[attr-defined]
    policy_class = imported(SHARES)
    file = Path(inspect.getfile(policy_class))
    file.write_text(SHARES + line + "\n")
    reason, message = refusal(policy_class)
    assert reason == "source"
    assert named in message


def test_distributions_beyond_the_core_are_noted_with_their_version(imported: Importer) -> None:
    source = find_source(imported(SHARES + "import pytest\nimport scipy\n"))
    assert isinstance(source, OwnSource)
    assert source.requires == {"pytest": pytest.__version__}


def test_a_file_edited_after_the_import_is_refused(imported: Importer) -> None:
    policy_class = imported(SHARES)
    edited = changed(SHARES, "prepared.paid + self.bonus", "prepared.paid * self.bonus")
    Path(inspect.getfile(policy_class)).write_text(edited)
    reason, message = refusal(policy_class)
    assert reason == "source"
    assert "Shares.propensities differs" in message


def test_two_classes_of_one_name_live_side_by_side(imported: Importer, tmp_path: Path) -> None:
    doubled = changed(SHARES, "prepared.paid + self.bonus", "2 * prepared.paid + self.bonus")
    bundles = [
        export(imported(text)(), path=tmp_path / "b.qbrix", arms=2) for text in (SHARES, doubled)
    ]
    policies = [bundle.policy() for bundle in bundles]
    assert type(policies[0]) is not type(policies[1])
    assert {type(policy).__name__ for policy in policies} == {"Shares"}
    # Arm 0 has paid 1: weights (1 + 1, 1) and (2 + 1, 1).
    laws = []
    for policy in policies:
        state = policy.init(n_arms=2)
        state.paid[0] = 1.0
        laws.append(policy.propensities(state))
    np.testing.assert_allclose(laws, [[2 / 3, 1 / 3], [3 / 4, 1 / 4]], rtol=1e-15)


def test_equal_sources_share_one_class(shares: Bundle) -> None:
    again = Bundle.from_bytes(with_manifest(shares, {"policy.parameters": {"bonus": 2.0}}))
    assert type(again.policy()) is type(shares.policy())
    assert again.policy() != shares.policy()


def test_a_bundled_class_shows_its_lines(shares: Bundle) -> None:
    policy_class = shares.policy_class()
    assert (
        policy_class.__module__
        == f"qbrix_bundle_{shares.manifest.members['policy.py'].sha256[:12]}"
    )
    assert "weight = prepared.paid + self.bonus" in inspect.getsource(policy_class)
    with pytest.raises(AttributeError) as raised:
        shares.policy().propensities(None)
    shown = "".join(traceback.format_exception(raised.value))
    assert "weight = prepared.paid + self.bonus" in shown


def test_a_bundles_policy_can_be_exported_again(shares: Bundle, tmp_path: Path) -> None:
    again = export(shares.policy(), path=tmp_path / "again.qbrix", arms=["red", "green", "blue"])
    for name in ("policy.py", "trace.bin"):
        assert again.members[name] == shares.members[name]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (b"def", "SyntaxError"),
        (b"\0", "raises"),
        (b"raise SystemExit(3)", "SystemExit: 3"),
        (b"Shares = 1", "defines no policy 'Shares'"),
        (b"", "defines no policy 'Shares'"),
    ],
)
def test_code_that_cannot_be_loaded_is_refused_and_forgotten(source: bytes, named: str) -> None:
    for _ in range(2):
        with pytest.raises(BundleError, match=named) as refused:
            load_class(source, name="Shares", file_name="shares.py")
        assert refused.value.reason == "source"


def test_a_manifest_that_misdescribes_the_code_is_refused(shares: Bundle) -> None:
    for changes in ({"policy.version": 2}, {"policy.capabilities.order_free": False}):
        bundle = Bundle.from_bytes(with_manifest(shares, changes))
        with pytest.raises(BundleError, match="the manifest describes") as refused:
            bundle.policy()
        assert refused.value.reason == "source"


def test_a_hyper_parameter_out_of_range_is_refused_by_name(shares: Bundle) -> None:
    bundle = Bundle.from_bytes(with_manifest(shares, {"policy.parameters": {"bonus": -1.0}}))
    with pytest.raises(
        InvalidParameter, match=r"Shares\(bonus=-1\.0\): expected a finite float > 0"
    ):
        bundle.policy()
