"""The suite of environments lets a faithful one pass and names the law that a flawed one breaks."""

from __future__ import annotations

from unittest import SkipTest

import pytest

from qbrix.environments import Bernoulli
from qbrix.errors import InvalidParameter
from qbrix.testing import Check, ContractViolation, check_environment, environment_checks
from tests.testing.broken_environments import FLAWS, Honest


def named(checks: list[Check], law: str) -> Check:
    """The check of one law."""
    return next(check for check in checks if check.name == law)


def test_a_faithful_environment_keeps_every_law() -> None:
    assert len(check_environment(Honest)) == len(environment_checks(Honest()))


@pytest.mark.parametrize(("flawed", "law"), FLAWS.items(), ids=str)
def test_each_flaw_is_found_by_its_law(flawed: type[Honest], law: str) -> None:
    check = named(environment_checks(flawed), law)
    with pytest.raises(ContractViolation, match=flawed.__name__) as caught:
        check()
    assert check.law in str(caught.value)


def test_every_law_has_a_flaw_that_breaks_it() -> None:
    assert {check.name for check in environment_checks(Honest)} == set(FLAWS.values())


def test_every_law_is_a_sentence() -> None:
    for check in environment_checks(Honest):
        assert check.law[0].isupper() or check.law[0] == "`"
        assert check.law.endswith(".")


def test_a_law_is_skipped_for_a_written_reason_only() -> None:
    skipped = environment_checks(Honest, skip={"Honest-optimum_is_met": "it has none"})
    with pytest.raises(SkipTest, match="it has none"):
        named(skipped, "optimum_is_met")()
    with pytest.raises(InvalidParameter, match="no reason"):
        environment_checks(Honest, skip={"optimum_is_met": " "})
    with pytest.raises(InvalidParameter, match="no check"):
        environment_checks(Honest, skip={"Other-optimum_is_met": "not here"})


def test_many_environments_are_checked_in_one_list() -> None:
    checks = environment_checks([Honest, Bernoulli([0.2])])
    assert {check.subject for check in checks} == {"Honest", "Bernoulli"}
