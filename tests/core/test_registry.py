"""Names of policies and environments."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from qbrix.errors import InvalidParameter, UnknownName
from qbrix.policies import get, policies
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.registry import Registry, identifier, snake_case


class FirstThing:
    """Something with a version."""

    version: ClassVar[int] = 3


@pytest.mark.parametrize(
    ("name", "alias"),
    [("BetaTS", "beta_ts"), ("KLUCB", "klucb"), ("EXP3", "exp3"), ("LinUCB", "lin_ucb")],
)
def test_aliases_are_lower_snake(name: str, alias: str) -> None:
    assert snake_case(name) == alias


def test_one_class_has_three_names() -> None:
    found = {get("BetaTSPolicy"), get("BetaTSPolicy@1"), get("beta_ts")}
    assert found == {BetaTSPolicy}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("KL-UCB", "KLUCBPolicy"),
        ("kl_ucb", "KLUCBPolicy"),
        ("Klucb", "KLUCBPolicy"),
        ("kl-UCB++", "KLUCBPlusPlusPolicy"),
        ("EXP3.P", "EXP3PPolicy"),
        ("linucb", "LinUCBPolicy"),
        ("tsallis_inf_rv", "TsallisINFRVPolicy"),
        ("CUSUM UCB", "CUSUMUCBPolicy"),
        ("auto", "MetaBanditPolicy"),
    ],
)
def test_a_name_may_be_spelled_as_the_papers_spell_it(spelling: str, name: str) -> None:
    assert get(spelling).__name__ == name


def test_a_version_is_spelled_in_full() -> None:
    for other in ("beta_ts@1", "BetaTSPolicy@2"):
        with pytest.raises(UnknownName, match=r"did you mean BetaTSPolicy@1\?"):
            get(other)


def test_a_part_of_a_name_finds_those_that_hold_it() -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*UCB1Policy"):
        get("ucb")


def test_the_catalogue_is_sorted_and_free_of_doubles() -> None:
    names = [item.__name__ for item in policies]
    assert names == sorted(set(names))


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(
        UnknownName, match="unknown policy 'BetaTPolicy'; did you mean BetaTSPolicy"
    ):
        get("BetaTPolicy")
    with pytest.raises(LookupError, match=r"known: .*BetaTSPolicy"):
        get("?!")


@pytest.mark.parametrize("name", [None, 3, BetaTSPolicy])
def test_what_is_no_name_is_unknown_as_well(name: Any) -> None:
    with pytest.raises(UnknownName, match="unknown policy"):
        get(name)


def test_a_name_is_taken_once() -> None:
    registry: Registry[FirstThing] = Registry(kind="thing", group="qbrix.nothing")
    assert registry.register(FirstThing) is FirstThing
    registry.register(FirstThing)
    with pytest.raises(InvalidParameter, match="the thing name 'FirstThing' is taken"):
        registry.register(type("FirstThing", (FirstThing,), {}))
    with pytest.raises(InvalidParameter, match="'First_Thing' is taken by another class, FirstTh"):
        registry.register(type("First_Thing", (FirstThing,), {}))
    assert list(registry) == [FirstThing]
    assert (FirstThing in registry, identifier(FirstThing)) == (True, "FirstThing@3")


def test_the_suffix_is_left_out_of_aliases() -> None:
    registry: Registry[FirstThing] = Registry(kind="thing", group="qbrix.none", suffix="Thing")
    registry.register(FirstThing)
    assert registry.get("first") is FirstThing


def test_what_is_shelved_loads_when_somebody_asks_for_it() -> None:
    registry: Registry[Any] = Registry(kind="thing", group="qbrix.none", suffix="Policy")
    registry.shelve("BetaTSPolicy", module="qbrix.policies.beta_ts", also="thompson")
    registry.shelve("AbsentPolicy", module="qbrix.policies.absent")
    assert BetaTSPolicy in registry
    assert FirstThing not in registry
    assert (registry.get("thompson"), registry.register(BetaTSPolicy)) == (BetaTSPolicy,) * 2
    with pytest.raises(ModuleNotFoundError, match=r"qbrix\.policies\.absent"):
        registry.get("absent")
    for name in ("BetaTSPolicy", "Thompson"):
        with pytest.raises(InvalidParameter, match=f"'{name}' is taken by another class, Beta"):
            registry.shelve(name, module="qbrix.policies.besa")
