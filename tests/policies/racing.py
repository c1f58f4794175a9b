"""Former names of what is in `tests.policies.numbers` now."""

from __future__ import annotations

from tests.policies.numbers import (
    CHANGING,
    SEED,
    assert_close,
    assert_cuts_and_padding_change_nothing,
    assert_regret,
)
from tests.policies.numbers import rows as interactions

__all__ = [
    "CHANGING",
    "SEED",
    "assert_close",
    "assert_cuts_and_padding_change_nothing",
    "assert_regret",
    "interactions",
]
