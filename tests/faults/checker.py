"""The judge of a run: what clients were told, held against the ledger and everything made of it.

Every law gives sentences, one for each breach; a run is good when there is none. What the issue
allows to be lost (the data of Redis and the proxy that acknowledged, gone together) is counted
apart, by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qbrix.bundle import Bundle, BundleResolver
from qbrix.draw import uniform
from qbrix.errors import QbrixError
from qbrix.ledger import Decider, Deployment, Disposition, Replay, Resolver
from qbrix.ledger.names import retraction_target
from qbrix.state import to_bytes
from serving.storage import codec
from serving.storage.base import CommittedBatch
from serving.tokens import DecisionToken
from tests.faults.attributed import attribution_breaches, unclosed
from tests.faults.evidence import Evidence, RewardKey, Secrets, reward_key
from tests.faults.history import Attempt, History
from tests.faults.rows import Row, index, is_closing

__all__ = ["RECOVERY_S", "Counts", "Verdict", "check"]

RECOVERY_S = 10.0
_CLOSE = 1e-10
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What became of everything sent; ``unanswered`` is what nobody can know but the ledger."""

    sent: int
    accepted: int
    duplicate: int
    late: int
    rejected: int
    dead: int
    unanswered: int


@dataclass(slots=True)
class Verdict:
    """Breaches as sentences, and what was counted on the way: ``kinds`` of the ledger's rows."""

    counts: Counts
    breaches: list[str] = field(default_factory=list)
    lost_with_redis_and_proxy: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)

    def demand(self) -> None:
        """Raise with the sentences, if there are any."""
        assert not self.breaches, "\n".join([*self.breaches[:40], f"counts: {self.counts}"])


class _Case:
    """A run, opened: tokens read, rows by their keys, the ledger folded again."""

    def __init__(
        self,
        history: History,
        evidence: Evidence,
        secrets: Secrets,
        *,
        resolver: Resolver,
        poisoned: Collection[RewardKey],
        recovery_s: float,
    ) -> None:
        self.history, self.evidence, self.secrets = history, evidence, secrets
        self.poisoned, self.recovery_s = set(poisoned), recovery_s
        self.tokens = _opened(history, secrets)
        self.attempts: dict[RewardKey, list[Attempt]] = {}
        for one in history.of("feedback"):
            if one.request_id in self.tokens:
                key = reward_key(one, self.tokens[one.request_id])
                self.attempts.setdefault(key, []).append(one)
        self.rows: dict[RewardKey, list[Row]] = {}
        for name, batches in evidence.batches.items():
            index(self.rows, name, batches)
        self.dead = Counter(_keys_of_the_dead(evidence))
        self.deployments: dict[tuple[str, int], Deployment] = {}
        self.fold_breaches = [
            f"{name}: {breach}"
            for name, batches in evidence.batches.items()
            for breach in self._folded(name, batches, resolver)
        ]

    def _folded(
        self, name: str, batches: Collection[CommittedBatch], resolver: Resolver
    ) -> Iterator[str]:
        """Fold the ledger again and keep what decided at every version."""
        replay = Replay(name, resolver)
        deployment: Deployment | None = None
        for version, stored in enumerate(batches):
            if stored.batch.version != version:
                yield f"version {stored.batch.version} stands where {version} should"
                return
            try:
                deployment = replay.take(stored.batch)
            except QbrixError as error:
                yield f"version {version} cannot be folded: {error}"
                return
            if stored.ledger_digest != deployment.ledger_digest:
                yield f"the chain of the ledger breaks at version {version}"
            if stored.state_digest != deployment.state_digest:
                yield f"the chain of the states breaks at version {version}"
            self.deployments[name, version] = deployment
        if deployment is None:
            yield "the ledger does not even hold the creation"
            return
        yield from self._copies(name, deployment)

    def _copies(self, name: str, head: Deployment) -> Iterator[str]:
        """A copy is the ledger folded up to its version; the published one is up to date."""
        published, snapshot = self.evidence.published[name], self.evidence.snapshots[name]
        if published is None or published.version != head.version:
            found = "nothing" if published is None else f"version {published.version}"
            yield f"{found} is published, the ledger is at {head.version}"
        for copy, title in ((published, "published state"), (snapshot, "snapshot")):
            if copy is None:
                continue
            there = self.deployments.get((name, copy.version))
            if there is None:
                yield f"the {title} is of version {copy.version}, which the ledger does not have"
            elif copy.state != to_bytes(there.state):
                yield f"the {title} differs from the fold of the ledger at {copy.version}"
            elif (copy.epoch, copy.ledger_digest, copy.state_digest) != (
                there.epoch,
                there.ledger_digest,
                there.state_digest,
            ):
                yield f"the {title} of version {copy.version} claims other digests or epoch"


def check(
    history: History,
    evidence: Evidence,
    secrets: Secrets,
    *,
    poisoned: Collection[RewardKey] = (),
    recovery_s: float = RECOVERY_S,
) -> Verdict:
    """Judge a run whose faults are over.

    ``poisoned`` are rewards that the test made unfit to be learned: they, and no others, may be
    dead letters.
    """
    bundles = {sha256: Bundle.from_bytes(data) for sha256, data in evidence.bundles.items()}
    case = _Case(
        history,
        evidence,
        secrets,
        resolver=BundleResolver(bundles),
        poisoned=poisoned,
        recovery_s=recovery_s,
    )
    verdict = Verdict(counts=_counts(case), recoveries_s=history.recoveries_s())
    verdict.breaches += case.fold_breaches
    lost, verdict.lost_with_redis_and_proxy = _losses(case)
    verdict.breaches += lost
    verdict.kinds.update(
        row.disposition.name.lower() for rows in case.rows.values() for row in rows
    )
    for law in _LAWS:
        verdict.breaches += law(case)
    return verdict


def _opened(history: History, secrets: Secrets) -> dict[str, DecisionToken]:
    opener = secrets.opener()
    return {
        one.request_id: opener.open(one.request_id, tenant=secrets.tenant)
        for one in history.attempts
        if one.request_id
    }


def _keys_of_the_dead(evidence: Evidence) -> Iterator[RewardKey]:
    for letter in evidence.dead:
        try:
            events = codec.unpack_feedback(letter.payload)
        except QbrixError:
            continue  # what could not be read was no client's reward
        for event in events:
            yield (event.experiment, event.epoch, event.decision_id, event.feedback_id)


def _losses(case: _Case) -> tuple[list[str], int]:
    """Acknowledged, and neither counted nor set aside."""
    breaches, excused = [], 0
    for key, attempts in case.attempts.items():
        if key in case.rows or key in case.dead:
            continue
        acknowledged = [one.ended_s for one in attempts if one.outcome == "ok"]
        if not acknowledged:
            continue
        if _both_died_after(case.history, max(acknowledged)):
            excused += 1
        else:
            breaches.append(f"the acknowledged reward {_named(key)} is lost")
    return breaches, excused


def _both_died_after(history: History, at_s: float) -> bool:
    """Whether Redis' data and a proxy went after this moment, without a recovery in between."""
    gone: set[str] = set()
    for mark in sorted(history.marks, key=lambda mark: mark.at_s):
        if mark.what == "recovered":
            gone.clear()
        elif mark.at_s >= at_s:
            gone.add(mark.what)
        if {"redis lost its data", "proxy died"} <= gone:
            return True
    return False


def _once(case: _Case) -> Iterator[str]:
    """A reward is in one row, or one dead letter (for which there is a reason), never two."""
    for key, rows in case.rows.items():
        if len(rows) > 1:
            versions = [row.version for row in rows]
            yield f"the reward {_named(key)} is counted {len(rows)} times, at {versions}"
        if key in case.dead:
            yield f"the reward {_named(key)} is both counted and dead"
    for key in case.dead:
        if key not in case.poisoned:
            yield f"the reward {_named(key)} is dead without a fault of its own"


def _nothing_invented(case: _Case) -> Iterator[str]:
    """A row says what somebody sent about a decision that was made, and nobody was refused."""
    for key, rows in case.rows.items():
        if is_closing(key):
            continue  # `attribution_breaches` and `_archive` say what it must be
        attempts = case.attempts.get(key, [])
        taken = [one for one in attempts if one.outcome != "failed"]
        if not attempts:
            yield f"nobody sent the reward {_named(key)}"
        elif not taken:
            yield f"the reward {_named(key)} is counted, but its clients were told it was refused"
        else:
            yield from _row_breaches(case, key, rows[0], taken)


def _row_breaches(case: _Case, key: RewardKey, row: Row, taken: list[Attempt]) -> Iterator[str]:
    token = case.tokens[taken[0].request_id]
    takes_back = retraction_target(key[3]) is not None
    if not takes_back and row.reward not in {one.reward for one in taken}:
        yield f"the reward {_named(key)} is counted as {row.reward}, which nobody sent"
    if not takes_back and _kind_of_decision(row) != _kind_of_decision(token, epoch=row.epoch):
        yield f"the row of {_named(key)} is {row.disposition.name}, its token says otherwise"
    decided = (token.arm, token.u, token.low, token.propensity, token.version, token.decided_ms)
    if row.numbers[1:] != tuple(map(float, decided)):
        yield f"the row of {_named(key)} says {row.numbers[1:]}, its token {decided}"
    if row.context != (token.context if row.context else b""):
        yield f"the row of {_named(key)} has another context than its token"


def _attributed(case: _Case) -> Iterator[str]:
    """Windows, defaults, aggregation and retractions, as the contract has them."""
    stepped = any(mark.detail.startswith("clock") for mark in case.history.marks)
    yield from attribution_breaches(case.rows, case.deployments, exact=not stepped)
    before_ms = case.evidence.closed_before_ms
    yield from unclosed(case.evidence.decisions, case.rows, case.deployments, before_ms=before_ms)


def _changes(case: _Case) -> Iterator[str]:
    """What an operator was told is done is done, by a batch of its own."""
    done: Counter[tuple[str, str]] = Counter()
    for one in case.history.changes:
        if one.status == 200:
            done[one.experiment, one.change] += 1
        elif one.status in (500, 501, 502, 504):
            yield f"{one.change} was answered {one.status}: {one.said}"
    made: Counter[tuple[str, str]] = Counter()
    priors = set()
    for name, batches in case.evidence.batches.items():
        for stored in batches:
            if (control := stored.batch.control) is not None:
                made[name, control.reason] += 1
                priors.add((name, control.configuration.policy.parameters.get("alpha_prior")))
    for one in case.history.changes:
        if one.status == 200 and one.change == "parameters":
            wanted = one.body["policy_params"]["alpha_prior"]
            if (one.experiment, wanted) not in priors:
                yield f"alpha_prior = {wanted} was accepted and never applied"
    for name in case.evidence.batches:
        for asked, reason in ((("reset",), "reset"), (("arm", "active"), "arms")):
            wanted = sum(done[name, each] for each in asked)
            if wanted > made[name, reason]:
                yield f"{wanted} changes ({reason}) were accepted, {made[name, reason]} applied"


def _draws(case: _Case) -> Iterator[str]:
    """Every arm follows from its decision's id and the propensities of its version."""
    deciders: dict[tuple[str, int], Decider] = {}
    for token in set(case.tokens.values()):
        if token.gate or token.experiment not in case.evidence.batches:
            continue
        place = (token.experiment, token.version)
        deployment = case.deployments.get(place)
        if deployment is None or deployment.epoch != token.epoch:
            yield f"a decision was made by version {place}, which the ledger does not have"
            continue
        if place not in deciders:
            deciders[place] = deployment.decider()
        yield from _draw_breaches(case, token, deciders[place])


def _draw_breaches(case: _Case, token: DecisionToken, decider: Decider) -> Iterator[str]:
    u = uniform(
        case.secrets.draw_key,
        experiment=token.experiment,
        epoch=token.epoch,
        decision_id=token.decision_id,
    )
    if u != token.u:
        yield f"decision {token.decision_id}: u = {token.u}, its id gives {u}"
        return
    if not token.low <= u < token.low + token.propensity:
        yield f"decision {token.decision_id}: u = {u} lies outside the interval of its arm"
    context = np.frombuffer(token.context, dtype="<f8") if token.context else None
    law = decider.propensities(context)
    edges = np.concatenate([[0.0], np.cumsum(law)])
    arm = token.arm
    expected, said = (edges[arm], law[arm]), (token.low, token.propensity)
    if max(abs(expected[0] - said[0]), abs(expected[1] - said[1])) > _CLOSE:
        yield (
            f"decision {token.decision_id}: arm {arm} with (low, propensity) = {said}, "
            f"version {token.version} gives {expected}"
        )


def _answers(case: _Case) -> Iterator[str]:
    """A client is told what its token says, and an outage is never its fault or a bug of ours."""
    for one in case.history.attempts:
        if one.status in (500, 501, 502, 504):
            yield f"a {one.kind} was answered {one.status}: {one.said}"
        if one.kind != "select" or not one.request_id:
            continue
        token = case.tokens[one.request_id]
        said: Mapping[str, Any] = one.said
        told = (said["arm"]["index"], said.get("propensity"), said.get("state_version"))
        known = (token.arm, token.propensity, token.version)
        if any(a != b for a, b in zip(told, known, strict=True) if a is not None):
            yield f"a client was told {told}, its token says otherwise"
        if token.gate != (one.forced is not None) or one.forced not in (None, token.arm):
            yield f"a gate gave arm {token.arm}, it forces {one.forced}: {token.decision_id}"
        if token.context != np.array(one.context, dtype="<f8").tobytes():
            yield f"the token of decision {token.decision_id} carries another context"


def _archive(case: _Case) -> Iterator[str]:
    """The decision log repeats the tokens, each decision once and each number once."""
    tokens = {token.decision_id: token for token in case.tokens.values()}
    seen: Counter[str] = Counter()
    numbers: Counter[tuple[str, int]] = Counter()
    for event in case.evidence.decisions:
        seen[event.decision_id] += 1
        if event.proxy:  # else it was restored from its feedback
            numbers[event.proxy, event.number] += 1
        token = tokens.get(event.decision_id)
        if token is not None and _decided(event) != _decided(token):
            yield f"the log says {_decided(event)}, the token {_decided(token)}"
    for name, times in seen.items():
        if times > 1:
            yield f"decision {name} is archived {times} times"
    for place, times in numbers.items():
        if times > 1:
            yield f"{times} decisions are archived under the number {place}"


def _decided(found: Any) -> tuple[Any, ...]:
    return (
        *(found.experiment, found.epoch, found.decision_id, found.arm, found.u, found.low),
        *(found.propensity, found.version, found.context),
    )


def _sums(case: _Case) -> Iterator[str]:
    """sent = accepted + duplicate + late + rejected + dead, and the servers count alike."""
    counts = _counts(case)
    parts = (
        *(counts.accepted, counts.duplicate, counts.late, counts.rejected),
        *(counts.dead, counts.unanswered),
    )
    lost = sum(
        1
        for key, attempts in case.attempts.items()
        if key not in case.rows
        and key not in case.dead
        and any(one.outcome == "ok" for one in attempts)
    )
    if counts.sent != sum(parts) + lost:
        yield f"the counts do not add up: {counts}, {lost} lost"
    told = Counter(
        "duplicate" if one.said.get("duplicate") else "accepted"
        for one in case.history.of("feedback")
        if one.outcome == "ok"
    )
    counters = case.evidence.counters
    silent = sum("duplicate" not in one.said for one in case.history.of("feedback"))
    for name, counted in counters.items():
        if not told[name] - silent <= counted <= told[name] + silent:
            yield f"clients were told {name} {told[name]} times, the servers count {counted:.0f}"
    if len(counters) == 2 and sum(counters.values()) != told.total():
        yield f"clients were told {told}, the servers count {counters}"


def _counts(case: _Case) -> Counts:
    """Every attempt is one of: the one that was counted, set aside, a repetition, refused."""
    totals: Counter[str] = Counter(sent=0)
    for key, attempts in case.attempts.items():
        totals["sent"] += len(attempts)
        outcomes = Counter(one.outcome for one in attempts)
        totals["rejected"] += outcomes["failed"]
        taken = outcomes["ok"] + outcomes["unknown"]
        if key in case.rows or key in case.dead:
            totals[_kind(case, key)] += 1
            totals["duplicate" if outcomes["ok"] else "unanswered"] += taken - 1
        else:
            totals["unanswered"] += outcomes["unknown"]
            totals["duplicate"] += max(0, outcomes["ok"] - 1)
    names = ("sent", "accepted", "duplicate", "late", "rejected", "dead", "unanswered")
    return Counts(**{name: totals[name] for name in names})


def _kind(case: _Case, key: RewardKey) -> str:
    if key not in case.rows:
        return "dead"
    late = case.rows[key][0].disposition in (Disposition.LATE, Disposition.OLD_EPOCH)
    return "late" if late else "accepted"


def _recovers(case: _Case) -> Iterator[str]:
    for took_s in case.history.recoveries_s():
        if took_s > case.recovery_s:
            yield f"a recovery took {took_s:.1f} s, at most {case.recovery_s:.0f} s are allowed"


def _kind_of_decision(found: Row | DecisionToken, *, epoch: int = 0) -> Disposition | None:
    """GATE or OLD_EPOCH where a decision alone says so."""
    if isinstance(found, Row):
        kinds = (Disposition.GATE, Disposition.OLD_EPOCH)
        return found.disposition if found.disposition in kinds else None
    if found.gate:
        return Disposition.GATE
    return Disposition.OLD_EPOCH if found.epoch < epoch else None


def _named(key: RewardKey) -> str:
    experiment, epoch, decision, feedback = key
    return f"{experiment[:8]}/{epoch}/{decision}/{feedback!r}"


_LAWS = (
    *(_once, _nothing_invented, _attributed, _changes, _draws, _answers, _archive, _sums),
    _recovers,
)
