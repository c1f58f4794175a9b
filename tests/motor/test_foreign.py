"""A promoted policy that fails: its queries are refused, nobody else's."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from qbrix.errors import ShapeError, Unavailable
from qbrix.ledger import Decider
from qbrix.policies import Capabilities, Policy
from qbrix.policies.exp4 import EXP4Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray
from serving.motor.cache import Prepared
from serving.motor.deciding import decide_together
from serving.telemetry import Tally
from serving.wire.selection import Outcome, Query
from tests.motor.world import DRAW_KEY, TENANT, deployed, record


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nothing(State):
    pulls: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class Moody(Policy[Nothing, Nothing]):
    """Fails when a context says so."""

    state_type = Nothing
    capabilities = Capabilities(context=True)

    def propensities(
        self, prepared: Nothing, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        assert context is not None
        if (context == 1.0).any():
            raise RuntimeError("I do not like ones")
        law = np.full((*context.shape[:-1], 2), 0.5)
        law[(context == 2.0).any(-1)] = np.nan
        law[(context == 3.0).any(-1)] = [1.5, -0.5]
        return law


@pytest.mark.parametrize("mood", [1.0, 2.0, 3.0])
def test_a_policy_that_fails_for_one_context_answers_the_others(mood: float) -> None:
    entry = Prepared(
        record(deployed()), Decider(Moody(), Nothing(pulls=np.zeros(2))), n_arms=2, dim=1
    )
    asked = [
        Query(TENANT, "e", f"{number:032x}", np.array([mood if number == 3 else 0.0]).tobytes())
        for number in range(6)
    ]
    answers = decide_together(entry, asked, draw_key=DRAW_KEY, age_ms=0)
    kinds = [type(answer) for answer in answers]
    assert kinds == [Outcome, Outcome, Outcome, Unavailable, Outcome, Outcome]


def test_a_failure_is_counted_and_logged_under_the_name_of_its_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failures = Tally("failures", help="")
    decider = Decider(Moody(), Nothing(pulls=np.zeros(2)))
    entry = Prepared(record(deployed()), decider, n_arms=2, dim=1, failures=failures)
    asked = [
        Query(TENANT, "e", f"{number:032x}", np.array([mood]).tobytes(), f"request {number}")
        for number, mood in enumerate([0.0, 1.0, 0.0, 2.0])
    ]
    decide_together(entry, asked, draw_key=DRAW_KEY, age_ms=0)
    assert failures.total() == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["request"] for line in lines} == {"request 1", "request 3"}


def test_a_context_that_the_policy_refuses_is_the_asker_s_mistake() -> None:
    """Advice that is no distribution: 400 for that query, an answer for the others."""
    policy = EXP4Policy()
    entry = Prepared(
        record(deployed()), Decider(policy, policy.init(n_arms=2, dim=2)), n_arms=2, dim=2
    )
    asked = [
        Query(TENANT, "e", f"{number:032x}", np.array([0.5, second]).tobytes())
        for number, second in enumerate([0.5, 0.7, 0.5])
    ]
    answers = decide_together(entry, asked, draw_key=DRAW_KEY, age_ms=0)
    assert [type(answer) for answer in answers] == [Outcome, ShapeError, Outcome]
    assert "expert 0 advises [0.5, 0.7]" in str(answers[1])
