"""The roles' wall clocks step by an hour; `tests.faults.clock` says what a step is here."""

from __future__ import annotations

import pytest

from tests.faults.stack import FaultStack
from tests.faults.trial import trial

pytestmark = pytest.mark.faults

HOUR_S = 3600.0


@pytest.mark.parametrize(
    "steps",
    [
        [{"proxy": HOUR_S, "cortex": HOUR_S}, {"proxy": -HOUR_S, "cortex": -HOUR_S}],
        [{"proxy": HOUR_S, "cortex": -HOUR_S}, {"proxy": -HOUR_S, "cortex": HOUR_S}],
    ],
    ids=["together", "apart"],
)
async def test_a_clock_that_steps_by_an_hour_changes_no_reward(
    stack: FaultStack, steps: list[dict[str, float]]
) -> None:
    async with trial(stack, name="clock") as run:
        await run.attempts(40)
        for step in steps:
            run.mark("fault", f"clock {step}")
            stack.set_clock(**step)
            await run.attempts(60)
            await run.recovers()
        await run.attempts(40)
    refused = [one for one in run.history.of("feedback") if one.outcome != "ok"]
    assert refused == []
    hours = {round((token.decided_ms / 1000 - run.began_s) / HOUR_S) for token in run.tokens()}
    assert hours == {-1, 0, 1}
