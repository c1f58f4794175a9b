"""What the roles count is what the clients were told and what the ledger holds."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.stack import FaultStack
from tests.faults.trial import trial

pytestmark = pytest.mark.faults


async def test_sent_is_accepted_duplicate_late_rejected_and_dead(stack: FaultStack) -> None:
    told_before = counted(stack, "proxy", "qbrix_feedback")
    read_before = counted(stack, "cortex", "qbrix_cortex_events")
    async with trial(stack, name="counters") as run:
        run.counters = lambda: counted(stack, "proxy", "qbrix_feedback") - told_before
        await run.attempts(150)
        bounded = run.kinds["tuned"]
        for reward in (2.0, -1.0):
            token = await run.load.select(bounded)
            assert await run.load.give(bounded, token, reward=reward) == "failed"
        await run.attempts(20)
    told = counted(stack, "proxy", "qbrix_feedback") - told_before
    read = counted(stack, "cortex", "qbrix_cortex_events") - read_before
    assert run.verdict is not None
    counts = run.verdict.counts
    assert (counts.sent, counts.unanswered) == (told.total(), 0)
    assert counts.rejected == counts.sent - told["accepted"] - told["duplicate"] == 2
    assert read["duplicate"] + told["duplicate"] == counts.duplicate
    # Windows go on being closed, and close by themselves; everything else somebody sent.
    for kind in ("closed", "default"):
        assert read.pop(kind, 0) >= run.verdict.kinds.pop(kind, 0)
    assert read["dead"] == 0
    # Copies that came at the same time were all accepted; the ledger counted one of them.
    assert told["accepted"] == read.total()
    del read["duplicate"], read["dead"]
    assert read == run.verdict.kinds
    for kind in ("folded", "gate", "held", "late"):
        assert read[kind] > 0, f"no reward was {kind}: {read}"


def counted(stack: FaultStack, name: str, metric: str) -> Counter[str]:
    """A counter of a role by its result."""
    text = httpx.get(stack.metrics_url(name)).raise_for_status().text
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{metric}_total":
                found[sample.labels["result"]] += int(sample.value)
    return found
