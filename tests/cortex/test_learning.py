"""From feedback in a stream to a published state."""

from __future__ import annotations

import numpy as np

from qbrix.state import to_bytes
from serving.storage.memory import memory_stores
from tests.cortex.world import cortex_of, create, event, refolded


async def test_feedback_becomes_a_batch_and_the_published_state_is_the_folded_ledger() -> None:
    stores = memory_stores()
    record = await create(stores, n_arms=3)
    cortex = cortex_of(stores)
    await stores.intake.append_feedback(0, [event(record, n, arm=n % 3) for n in range(6)])
    await cortex.drain()
    published = await stores.channel.fetch(record.id)
    deployment = await refolded(stores, record.id)
    assert published is not None
    assert published.version == 1
    assert published.state == to_bytes(deployment.state)
    assert published.law is not None
    assert np.allclose(np.frombuffer(published.law, dtype="<f8"), 1 / 3)
