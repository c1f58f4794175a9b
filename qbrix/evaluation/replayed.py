"""One decision, computed again from the state that made it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.bundle.html import facts_table
from qbrix.evaluation.decisions import FORCED, LoggedDecision
from qbrix.ledger import Decision, Deployment
from qbrix.state import digest
from qbrix.types import Array

__all__ = ["ReplayedDecision", "replay_decision"]

TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReplayedDecision:
    """A decision with everything that led to it.

    Attributes
    ----------
    deployment : Deployment
        Configuration, policy and state that decided.
    logged : LoggedDecision
    law : Array, shape (K,)
        Propensities of the policy.
    mixed : Array, shape (K,)
        After the exploration floor; the arm is drawn from these.
    again : Decision
        What the draw at the logged ``u`` gives.
    arm_names : tuple of str, optional
    """

    deployment: Deployment
    logged: LoggedDecision
    law: Array
    mixed: Array
    again: Decision
    arm_names: tuple[str, ...] | None = None

    @property
    def arm(self) -> int:
        """The arm that is drawn now."""
        return self.again.arm

    @property
    def u(self) -> float:
        """The number drawn; ``low <= u < low + propensity``."""
        return self.again.u

    @property
    def low(self) -> float:
        """Lower edge of the arm's interval."""
        return self.again.low

    @property
    def propensity(self) -> float:
        """Width of the arm's interval."""
        return self.again.propensity

    @property
    def forced(self) -> bool:
        """Whether a gate or a pause took the decision, and no policy was asked."""
        return self.logged.source in FORCED

    @property
    def drawn(self) -> bool:
        """Whether the logged number lies where it must: ``low <= u < low + propensity``."""
        return self.logged.low <= self.logged.u < self.logged.low + self.logged.propensity

    @property
    def matches(self) -> bool:
        """Whether the arm is the logged one, and its interval to 1e-10; forced ones have none."""
        if self.forced:
            return self.drawn
        off = max(
            abs(self.again.low - self.logged.low),
            abs(self.again.propensity - self.logged.propensity),
        )
        return self.drawn and self.again.arm == self.logged.arm and off <= TOLERANCE

    @property
    def context(self) -> Array | None:
        """What was known, shape (d,)."""
        return self.logged.context

    def steps(self) -> list[tuple[str, str]]:
        """The decision told step by step."""
        configuration, logged, again = self.deployment.configuration, self.logged, self.again
        parameters = ", ".join(f"{k}={v!r}" for k, v in self.deployment.policy.parameters().items())
        upper = again.low + again.propensity
        if self.forced:
            who = "a gate" if logged.source == "gate" else "a pause"
            return [("forced", f"{self._name(logged.arm)} by {who}; no policy was asked")]
        story = [
            ("state", f"epoch {logged.epoch}, version {logged.version}, {self._state()}"),
            ("policy", f"{configuration.policy.name}({parameters})"),
            ("context", "not used" if self._blind() else _numbers(self.context)),
            ("law", self._by_arm(self.law)),
        ]
        if configuration.floor:
            story.append((f"floor {configuration.floor:g}", self._by_arm(self.mixed)))
        if configuration.retired:
            story.append(("retired", ", ".join(self._name(arm) for arm in configuration.retired)))
        story.append(
            (
                "draw",
                f"u = {again.u:.6f} in [{again.low:.6f}, {upper:.6f}) → {self._name(again.arm)}",
            )
        )
        told = f"{self._name(logged.arm)} with propensity {logged.propensity:.6f}"
        story.append(("logged", f"{told}: {'the same' if self.matches else 'NOT the same'}"))
        return story

    def __repr__(self) -> str:
        lines = [f"decision {self.logged.decision_id} of experiment {self.deployment.experiment}"]
        lines += [f"{i}. {name:<10} {text}" for i, (name, text) in enumerate(self.steps(), start=1)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return facts_table([("decision", self.logged.decision_id), *self.steps()])

    def _state(self) -> str:
        return f"digest {digest(self.deployment.state)[:12]}…"

    def _blind(self) -> bool:
        return not self.deployment.policy.capabilities.context

    def _name(self, arm: int) -> str:
        return f"arm {arm}" if self.arm_names is None else self.arm_names[arm]

    def _by_arm(self, law: Array) -> str:
        shown = np.argsort(-law, kind="stable")[:10]
        told = " · ".join(f"{self._name(int(arm))} {law[arm]:.4f}" for arm in shown)
        return told if len(law) <= 10 else f"{told} · and {len(law) - 10} more"


def replay_decision(
    deployment: Deployment, logged: LoggedDecision, *, arm_names: tuple[str, ...] | None = None
) -> ReplayedDecision:
    """Decide again with ``deployment``, which must be the version that decided."""
    decider = deployment.decider()
    context = logged.context if deployment.policy.capabilities.context else None
    return ReplayedDecision(
        deployment=deployment,
        logged=logged,
        law=deployment.policy.propensities(decider.prepared, context, mask=decider.mask),
        mixed=decider.propensities(context),
        again=decider.decide(logged.u, context),
        arm_names=arm_names,
    )


def _numbers(context: Array | None) -> str:
    if context is None:
        return "missing"
    shown = ", ".join(f"{number:.4g}" for number in context[:8])
    return f"[{shown}]" if len(context) <= 8 else f"[{shown}, … {len(context)} features]"
