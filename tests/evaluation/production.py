"""A small production: decisions from stale states, late rewards, a ledger with both digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from qbrix.bundle import Bundle, BundleResolver
from qbrix.draw import uniform
from qbrix.evaluation import Decisions, LoggedBatch, LoggedData, LoggedDecision
from qbrix.ledger import (
    Batch,
    Configuration,
    Control,
    Decider,
    Deployment,
    Disposition,
    PolicyRef,
    Rows,
    fold,
    genesis,
)
from qbrix.rng import stream
from qbrix.types import Array

KEY = b"0123456789abcdef"
EXPERIMENT = "e" * 32


class Production:
    """Serves and learns by the rules of `qbrix.ledger`, and keeps what a real one would log."""

    def __init__(
        self, ref: PolicyRef, *, n_arms: int = 3, dim: int = 0, bundles: Sequence[Bundle] = ()
    ) -> None:
        self.bundles = {bundle.sha256: bundle for bundle in bundles}
        self.resolver = BundleResolver(self.bundles)
        self.decisions: list[LoggedDecision] = []
        self.batches: list[LoggedBatch] = []
        self.deployments: list[Deployment] = []
        self._deciders: dict[int, Decider] = {}
        self._rng = stream(5, "production")
        self.dim = dim
        self.control("create", Configuration(policy=ref, n_arms=n_arms, dim=dim), start="init")

    @property
    def now(self) -> Deployment:
        """The newest version."""
        return self.deployments[-1]

    def control(
        self,
        reason: str,
        configuration: Configuration,
        *,
        start: Literal["keep", "init", "bundle"] = "keep",
    ) -> None:
        """A change of what decides."""
        first = not self.deployments
        epoch = 0 if first else self.now.epoch + (start != "keep")
        version = 0 if first else self.now.version + 1
        change = Control(reason=reason, configuration=configuration, start=start)
        self._append(Batch(epoch=epoch, version=version, control=change))

    def decide(self, *, version: int | None = None, source: str = "bandit") -> LoggedDecision:
        """One decision by the newest state, or by an older one."""
        deployment = self.deployments[self.now.version if version is None else version]
        identifier = f"{len(self.decisions):032x}"
        context = self._rng.standard_normal(self.dim) if self.dim else None
        u = uniform(KEY, experiment=EXPERIMENT, epoch=deployment.epoch, decision_id=identifier)
        if deployment.version not in self._deciders:
            self._deciders[deployment.version] = deployment.decider()
        made = self._deciders[deployment.version].decide(u, context)
        decision = LoggedDecision(
            decision_id=identifier,
            context_id=f"user-{len(self.decisions) % 7}",
            epoch=deployment.epoch,
            version=deployment.version,
            arm=made.arm,
            u=made.u,
            low=made.low,
            propensity=made.propensity,
            source=source,
            context=context,
            decided_ms=1_700_000_000_000 + len(self.decisions),
        )
        self.decisions.append(decision)
        return decision

    def learn(
        self,
        decisions: Sequence[LoggedDecision],
        *,
        disposition: Disposition = Disposition.FOLDED,
        feedback_id: str = "",
    ) -> None:
        """One batch of rewards: 1 where the arm's index is even."""
        n = len(decisions)
        contexts: Array | None = None
        if self.dim:
            contexts = np.stack([one.context for one in decisions if one.context is not None])
        rows = Rows(
            decision_ids=tuple(one.decision_id for one in decisions),
            feedback_ids=(feedback_id,) * n,
            arms=np.array([one.arm for one in decisions]),
            rewards=np.array([float(one.arm % 2 == 0) for one in decisions]),
            u=np.array([one.u for one in decisions]),
            low=np.array([one.low for one in decisions]),
            propensities=np.array([one.propensity for one in decisions]),
            state_versions=np.array([one.version for one in decisions]),
            epochs=np.array([one.epoch for one in decisions]),
            dispositions=np.full(n, int(disposition)),
            decided_ms=np.array([one.decided_ms for one in decisions]),
            received_ms=np.array([one.decided_ms + 50 for one in decisions]),
            contexts=contexts,
        )
        self._append(Batch(epoch=self.now.epoch, version=self.now.version + 1, rows=rows))

    def log(self, **changes: Any) -> LoggedData:
        """What `Client.log` would return, with changes for the tests."""
        fields = {
            "experiment": EXPERIMENT,
            "batches": tuple(self.batches),
            "decisions": Decisions.of(self.decisions),
            "arm_names": ("red", "green", "blue"),
            "bundles": self.bundles,
        }
        return LoggedData(**{**fields, **changes})

    def _append(self, batch: Batch) -> None:
        if self.deployments:
            deployment = fold(self.now, batch, self.resolver)
        else:
            deployment = genesis(EXPERIMENT, batch, self.resolver)
        self.deployments.append(deployment)
        self.batches.append(
            LoggedBatch(
                batch=batch,
                ledger_digest=deployment.ledger_digest,
                state_digest=deployment.state_digest,
                committed_ms=1_700_000_001_000,
            )
        )


def a_year(ref: PolicyRef, *, dim: int = 0) -> Production:
    """All that happens to an experiment: staleness, lateness, changes, a gate, a reset."""
    production = Production(ref, dim=dim)
    late: list[LoggedDecision] = []
    for round_ in range(12):
        stale = max(0, production.now.version - round_ % 3)
        made = [production.decide(version=stale) for _ in range(round_ % 5 + 2)]
        late.append(made.pop())
        production.learn(made)
    configuration = production.now.configuration
    production.control("configure", replace(configuration, floor=0.2))
    production.learn([production.decide() for _ in range(5)])
    production.control("arms", replace(configuration, floor=0.2, retired=(1,)))
    production.learn([production.decide() for _ in range(9)] + late[:6])
    forced = production.decide(source="gate")
    production.learn([forced], disposition=Disposition.GATE)
    production.control("reset", replace(configuration, floor=0.1), start="init")
    production.learn(late[6:], disposition=Disposition.OLD_EPOCH)
    production.learn([production.decide() for _ in range(7)])
    return production
