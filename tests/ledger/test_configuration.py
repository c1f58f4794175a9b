"""What decides, in its canonical form."""

from __future__ import annotations

import pytest

from qbrix.errors import InvalidParameter
from qbrix.ledger import Configuration, PolicyRef

REF = PolicyRef(name="BetaTSPolicy@1", parameters={"alpha_prior": 2.0})


def test_the_canonical_form_without_a_range_is_that_of_the_first_release() -> None:
    """Digests of ledgers that exist cover these very bytes."""
    assert Configuration(policy=REF, n_arms=3, retired=(1,)).to_json() == (
        '{"dim":0,"floor":0.0,"n_arms":3,"policy":{"bundle":null,"name":"BetaTSPolicy@1",'
        '"parameters":{"alpha_prior":2.0}},"retired":[1]}'
    )


@pytest.mark.parametrize("span", [None, (-1.0, 3.5)])
def test_it_reads_what_it_writes(span: tuple[float, float] | None) -> None:
    configuration = Configuration(policy=REF, n_arms=2, floor=0.1, reward_range=span)
    assert Configuration.from_json(configuration.to_json()) == configuration


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"reward_range = \[1.0, 1.0\]"):
        Configuration(policy=REF, n_arms=2, reward_range=(1.0, 1.0))
