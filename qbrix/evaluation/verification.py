"""Everything that a log claims, checked: digests, draws, laws, and that rewards counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from qbrix.bundle.source import foreign_code
from qbrix.bundle.ties import JUMP, is_near_tie
from qbrix.draw import draw, edges, mix_floor
from qbrix.errors import QbrixError
from qbrix.evaluation.decisions import FORCED, LoggedDecision
from qbrix.evaluation.replayed import TOLERANCE
from qbrix.evaluation.rows import claim_of_row
from qbrix.ledger import Decider, Deployment
from qbrix.types import Array

if TYPE_CHECKING:
    from qbrix.evaluation.logs import LoggedData

__all__ = ["LogVerification", "verify_log"]

_TOGETHER = 1024
_SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LogVerification:
    """What holds in a log.

    Attributes
    ----------
    batches, decisions, rows : int
        Sizes of the log; ``rows`` are rewards.
    versions : int
        Versions whose digests came out equal to serving's.
    recomputed : int
        Decisions whose law was computed again from the state that decided.
    forced : int
        Decisions that a gate or a pause took; they have no law.
    max_propensity_error : float
        Largest difference of an arm's interval, at most 1e-10 when all is well.
    near_ties : int
        Decisions on the other side of a jump of the law (`qbrix.bundle.ties`).
    without_log : int
        Rewards whose decision the best-effort log has lost; the reward itself tells of it.
    problems : tuple of str
        What does not hold; the first few of each kind.
    """

    batches: int
    decisions: int
    rows: int
    versions: int
    recomputed: int
    forced: int
    max_propensity_error: float
    near_ties: int
    without_log: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything does."""
        return not self.problems

    def __repr__(self) -> str:
        verdict = "all holds" if self.holds else f"{len(self.problems)} problems"
        lines = [
            f"<LogVerification: {verdict}>",
            f"  {self.versions} of {self.batches} versions have serving's digests",
            f"  {self.recomputed} of {self.decisions + self.without_log} decisions recomputed, "
            f"largest difference {self.max_propensity_error:.2g}"
            + (f", {self.near_ties} at near ties" if self.near_ties else "")
            + (f", {self.forced} forced" if self.forced else ""),
            f"  {self.rows} rewards, each counted once",
            *(f"  ✗ {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


@dataclass(slots=True)
class _Tally:
    """Counts and problems as they come up."""

    versions: int = 0
    recomputed: int = 0
    forced: int = 0
    error: float = 0.0
    near_ties: int = 0
    without_log: int = 0
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, kind: str, sentence: str) -> None:
        self.problems[kind].append(sentence)

    def told(self) -> tuple[str, ...]:
        sentences: list[str] = []
        for kind, found in self.problems.items():
            sentences += found[:_SHOWN]
            if len(found) > _SHOWN:
                sentences.append(f"… and {len(found) - _SHOWN} more of this kind ({kind})")
        return tuple(sentences)


def verify_log(log: LoggedData) -> LogVerification:
    """Check a log in one pass over its ledger."""
    tally = _Tally()
    claims = _claims(log, tally)
    _check_once(log, tally)
    by_version: dict[int, list[LoggedDecision]] = defaultdict(list)
    for claim in claims:
        if not claim.low <= claim.u < claim.low + claim.propensity:
            tally.note("draw", f"decision {claim.decision_id}: u is not in its arm's interval")
        if claim.source in FORCED:
            tally.forced += 1
        else:
            by_version[claim.version].append(claim)
    try:
        for deployment in log.deployments():
            tally.versions += 1
            name = deployment.configuration.policy.name
            with foreign_code("trace", doing=f"{name} at version {deployment.version}"):
                _check_laws(deployment, by_version.pop(deployment.version, []), tally)
    except QbrixError as error:
        tally.note("fold", str(error))
    else:
        for version in by_version:
            tally.note("version", f"decisions of version {version}, which the ledger does not have")
    return LogVerification(
        batches=len(log.batches),
        decisions=len(log.decisions),
        rows=len(log),
        versions=tally.versions,
        recomputed=tally.recomputed,
        forced=tally.forced,
        max_propensity_error=tally.error,
        near_ties=tally.near_ties,
        without_log=tally.without_log,
        problems=tally.told(),
    )


def _claims(log: LoggedData, tally: _Tally) -> list[LoggedDecision]:
    """Every decision once: from the decision log, else from its reward; both must agree."""
    logged = [log.decisions[index] for index in range(len(log.decisions))]
    by_id: dict[tuple[int, str], list[LoggedDecision]] = defaultdict(list)
    for decision in logged:
        by_id[decision.epoch, decision.decision_id].append(decision)
    claims = list(logged)
    rows = log.rows
    for index in range(len(rows)):
        told = claim_of_row(rows, index)
        known = by_id[told.epoch, told.decision_id]
        if not known:
            known.append(told)
            claims.append(told)
            tally.without_log += 1
        elif not any(_facts(told) == _facts(one) for one in known):
            tally.note(
                "agreement",
                f"decision {told.decision_id}: its reward tells {_facts(told)}, "
                f"the decision log {_facts(known[-1])} (version, arm, u, low, propensity)",
            )
    return claims


def _facts(decision: LoggedDecision) -> tuple[float, ...]:
    return (
        decision.version,
        decision.arm,
        decision.u,
        decision.low,
        decision.propensity,
    )


def _check_once(log: LoggedData, tally: _Tally) -> None:
    rows = log.rows
    seen: set[tuple[int, str, str]] = set()
    for key in zip(rows.epochs.tolist(), rows.decision_ids, rows.feedback_ids, strict=True):
        if key in seen:
            tally.note("once", f"decision {key[1]}: the reward {key[2]!r} was counted twice")
        seen.add(key)


def _check_laws(deployment: Deployment, claims: list[LoggedDecision], tally: _Tally) -> None:
    """Compare the intervals of decisions of one version with those of its law."""
    if not claims:
        return
    decider = deployment.decider()
    for group in _groups(deployment, claims, tally):
        blind = not deployment.policy.capabilities.context
        contexts = None if blind else np.stack([one.context for one in group])  # type: ignore[misc]
        upper = np.atleast_2d(edges(decider.propensities(contexts)))
        arms = np.array([one.arm for one in group])
        at = np.zeros(len(group), dtype=np.int64) if blind else np.arange(len(group))
        lower = np.where(arms > 0, upper[at, arms - 1], 0.0)
        told = np.array([(one.low, one.propensity) for one in group])
        again = np.stack([lower, upper[at, arms] - lower], axis=1)
        errors = np.abs(told - again).max(1)
        for one, error in zip(group, errors.tolist(), strict=True):
            _judge(deployment, decider, one, error, tally)


def _judge(
    deployment: Deployment, decider: Decider, claim: LoggedDecision, error: float, tally: _Tally
) -> None:
    tally.recomputed += 1
    if error <= TOLERANCE:
        tally.error = max(tally.error, error)
    elif error > JUMP and _is_near_tie(deployment, decider, claim):
        tally.near_ties += 1
    else:
        tally.note("law", f"decision {claim.decision_id}: its interval is off by {error:.3g}")


def _is_near_tie(deployment: Deployment, decider: Decider, claim: LoggedDecision) -> bool:
    def accepts(law: Array) -> bool:
        drawn = draw(edges(mix_floor(law, floor=decider.floor, mask=decider.mask)), claim.u)
        off = max(abs(drawn.low - claim.low), abs(drawn.propensity - claim.propensity))
        return drawn.arm == claim.arm and off <= TOLERANCE

    return is_near_tie(
        deployment.policy,
        deployment.state,
        context=claim.context if deployment.policy.capabilities.context else None,
        mask=decider.mask,
        accepts=accepts,
    )


def _groups(
    deployment: Deployment, claims: list[LoggedDecision], tally: _Tally
) -> Iterator[list[LoggedDecision]]:
    """Claims that can be computed together; those that cannot be computed are noted."""
    configuration = deployment.configuration
    needed = configuration.dim if deployment.policy.capabilities.context else 0
    sound = []
    for claim in claims:
        width = 0 if claim.context is None else len(claim.context)
        if claim.epoch != deployment.epoch:
            tally.note(
                "epoch",
                f"decision {claim.decision_id}: epoch {claim.epoch}, but version {claim.version} "
                f"belongs to epoch {deployment.epoch}",
            )
        elif not 0 <= claim.arm < configuration.n_arms:
            tally.note("arm", f"decision {claim.decision_id}: there is no arm {claim.arm}")
        elif needed and width != needed:
            tally.note(
                "context",
                f"decision {claim.decision_id}: {width} features, the policy needs {needed}",
            )
        else:
            sound.append(claim)
    for start in range(0, len(sound), _TOGETHER):
        yield sound[start : start + _TOGETHER]
