"""The contract suite lets a faithful policy pass and names the law that a flawed one breaks."""

from __future__ import annotations

from unittest import SkipTest

import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies import get
from qbrix.testing import Check, ContractViolation, check_policy, policy_checks
from tests.testing.broken import FLAWS, Faithful


def named(checks: list[Check], law: str) -> Check:
    """The check of one law."""
    return next(check for check in checks if check.name == law)


def test_a_faithful_policy_keeps_every_law() -> None:
    without = {"in_place_is_update", "play_is_rounds_in_turn"}  # it has no such methods
    assert len(check_policy(Faithful())) == len(policy_checks(Faithful())) - len(without)


@pytest.mark.parametrize(("flawed", "law"), FLAWS.items(), ids=str)
def test_each_flaw_is_found_by_its_law(flawed: type[Faithful], law: str) -> None:
    check = named(policy_checks(flawed), law)
    with pytest.raises(ContractViolation, match=flawed.__name__) as caught:
        check()
    assert check.law in str(caught.value)


def test_every_law_has_a_flaw_that_breaks_it() -> None:
    untested = {check.name for check in policy_checks(Faithful)} - set(FLAWS.values())
    assert untested == {"state_survives_bytes"}  # the state's own tests hold that one


def test_every_law_is_a_sentence() -> None:
    for check in policy_checks(Faithful):
        assert check.law[0].isupper() or check.law[0] == "`"
        assert check.law.endswith((".", "1e-10", ")"))


def test_a_law_is_skipped_for_a_written_reason_only() -> None:
    skipped = policy_checks(get("random"), skip={"beats_uniform": "it is uniform"})
    with pytest.raises(SkipTest, match="it is uniform"):
        named(skipped, "beats_uniform")()
    with pytest.raises(InvalidParameter, match="no reason"):
        policy_checks(Faithful, skip={"single_arm": " "})
    with pytest.raises(InvalidParameter, match="no check"):
        policy_checks(Faithful, skip={"Other-single_arm": "not here"})


def test_a_class_inside_a_function_is_told_where_to_move() -> None:
    class Local(Faithful):
        pass

    with pytest.raises(ContractViolation, match="%%policy"):
        named(policy_checks(Local), "bits_are_the_same_everywhere")()
