"""A run without any fault, made by hand around a real cortex: the truth to tell lies about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qbrix.bundle import BundleResolver
from qbrix.draw import uniform
from qbrix.ledger import Deployment, fold, genesis
from serving.storage.base import (
    CommittedBatch,
    DecisionEvent,
    ExperimentRecord,
    FeedbackEvent,
    Stores,
)
from serving.storage.memory import memory_stores
from serving.tokens import DecisionToken
from tests.cortex.world import TENANT, cortex_of, create, refolded
from tests.faults.evidence import Evidence, Secrets, gather
from tests.faults.history import Attempt, History, Outcome

__all__ = ["SECRETS", "Run", "honest_run", "refold"]

HEX_TENANT = "7e" * 16
SECRETS = Secrets(draw_key=b"d" * 32, token_key=b"t" * 32, tenant=HEX_TENANT)
DECIDED_MS = 1_795_000_000_000


class Run:
    """What clients and stores know of an experiment, decision by decision."""

    def __init__(self, stores: Stores, record: ExperimentRecord) -> None:
        self.stores, self.record = stores, record
        self.history = History()
        self._sealer = SECRETS.opener()
        self._now_s = 0.0

    async def play(self, numbers: range, *, policy_version: Deployment) -> None:
        """Decide, log, reward (every third twice) and learn."""
        decider = policy_version.decider()
        events, logged = [], []
        for number in numbers:
            name = f"{number:032x}"
            u = uniform(SECRETS.draw_key, experiment=self.record.id, epoch=0, decision_id=name)
            made = decider.decide(u)
            token = DecisionToken(
                tenant=HEX_TENANT,
                experiment=self.record.id,
                decision_id=name,
                epoch=0,
                version=policy_version.version,
                decided_ms=DECIDED_MS + number,
                arm=made.arm,
                u=made.u,
                low=made.low,
                propensity=made.propensity,
            )
            sealed = self._sealer.seal(token)
            self._select(token, sealed)
            for again in range(2 if number % 3 == 0 else 1):
                self.reward(sealed, reward=number % 5 / 4, duplicate=bool(again))
            events.append(_event(token, reward=number % 5 / 4))
            logged.append(_logged(token, number + 1))
        await self.stores.intake.append_feedback(0, events)
        await self.stores.intake.append_decisions(0, logged)

    def reward(
        self,
        sealed: str,
        *,
        reward: float,
        outcome: Outcome = "ok",
        duplicate: bool = False,
    ) -> None:
        """One more attempt in the history."""
        self._now_s += 1.0
        said = {"accepted": True, "duplicate": duplicate} if outcome == "ok" else {}
        self._note("feedback", sealed, outcome, reward=reward, said=said)

    def _select(self, token: DecisionToken, sealed: str) -> None:
        self._now_s += 1.0
        said = {
            "arm": {"index": token.arm},
            "propensity": token.propensity,
            "state_version": token.version,
        }
        self._note("select", sealed, "ok", said=said)

    def _note(self, kind: Any, sealed: str, outcome: Outcome, **rest: Any) -> None:
        self.history.attempts.append(
            Attempt(
                kind=kind,
                experiment=self.record.id,
                sent_s=self._now_s - 1.0,
                ended_s=self._now_s,
                outcome=outcome,
                status={"ok": 201, "failed": 400, "unknown": 0}[outcome],
                request_id=sealed,
                **rest,
            )
        )


async def honest_run() -> tuple[Run, Evidence]:
    """Twenty decisions of EXP3, in two versions, learned and published."""
    stores = memory_stores()
    run = Run(stores, await create(stores, policy="EXP3Policy@1"))
    cortex = cortex_of(stores)
    for numbers in (range(12), range(12, 20)):
        await run.play(numbers, policy_version=await refolded(stores, run.record.id))
        await cortex.drain()
    assert run.record.tenant == TENANT
    return run, await gather(stores, [run.record.id])


def refold(run: Run, evidence: Evidence, batches: list[Any]) -> Evidence:
    """The evidence as a server would leave it that believed in these batches: all chains agree."""
    deployment: Deployment | None = None
    stored: list[CommittedBatch] = []
    for batch in batches:
        deployment = (
            genesis(run.record.id, batch, BundleResolver())
            if deployment is None
            else fold(deployment, batch, BundleResolver())
        )
        stored.append(
            CommittedBatch(
                batch=batch,
                ledger_digest=deployment.ledger_digest,
                state_digest=deployment.state_digest,
                committed_ms=DECIDED_MS,
            )
        )
    assert deployment is not None
    from serving.publishing import state_record

    copy = state_record(deployment, tenant=run.record.tenant, term=1, published_ms=DECIDED_MS)
    copies = {run.record.id: copy}
    return replace(
        evidence, batches={run.record.id: stored}, published=copies, snapshots=dict(copies)
    )


def _event(token: DecisionToken, *, reward: float) -> FeedbackEvent:
    return FeedbackEvent(
        experiment=token.experiment,
        epoch=token.epoch,
        decision_id=token.decision_id,
        feedback_id="",
        arm=token.arm,
        reward=reward,
        u=token.u,
        low=token.low,
        propensity=token.propensity,
        version=token.version,
        gate=False,
        recorded=(),
        context=np.array([], dtype="<f8").tobytes(),
        decided_ms=token.decided_ms,
        received_ms=token.decided_ms + 100,
    )


def _logged(token: DecisionToken, number: int) -> DecisionEvent:
    return DecisionEvent(
        proxy="p" * 32,
        number=number,
        experiment=token.experiment,
        context_id="somebody",
        epoch=token.epoch,
        decision_id=token.decision_id,
        arm=token.arm,
        u=token.u,
        low=token.low,
        propensity=token.propensity,
        version=token.version,
        source="policy",
        context=token.context,
        decided_ms=token.decided_ms,
    )
