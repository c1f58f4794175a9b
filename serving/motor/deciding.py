"""Queries about prepared states, answered: no I/O and no waiting; a bad one spoils no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import structlog

from qbrix.bundle.source import foreign_code
from qbrix.draw import uniform, uniforms
from qbrix.errors import InvalidParameter, NotFound, QbrixError, ShapeError, Unavailable
from qbrix.ledger import Decision
from serving.motor.cache import Prepared
from serving.wire.selection import Outcome, Query

__all__ = ["Answer", "decide_one", "decide_together"]

_log = structlog.get_logger("motor")

Answer: TypeAlias = Outcome | QbrixError

_TOGETHER = 64  # contexts in one call of a policy: enough to amortise it, too few to hold others up


def decide_one(entry: Prepared, query: Query, *, draw_key: bytes, age_ms: int) -> Answer:
    """The answer of a policy without context: a look-up, unless the policy records something."""
    if entry.tenant != query.tenant:
        return NotFound("experiment", query.experiment)
    u = uniform(
        draw_key, experiment=query.experiment, epoch=entry.epoch, decision_id=query.decision_id
    )
    if not entry.records:
        return _outcome(entry, entry.decider.decide(u), age_ms=age_ms)
    try:
        with foreign_code("decide", doing="the policy"):
            return _outcome(entry, entry.decider.decide(u), age_ms=age_ms)
    except QbrixError as error:
        return _failed(entry, query, error)


def decide_together(
    entry: Prepared, queries: Sequence[Query], *, draw_key: bytes, age_ms: int
) -> list[Answer]:
    """The answers of a policy that is asked for many in one call."""
    answers: list[Answer | None] = [_refusal(entry, query) for query in queries]
    good = [index for index, answer in enumerate(answers) if answer is None]
    together = _TOGETHER if entry.dim else max(1, len(good))
    for start in range(0, len(good), together):
        chosen = good[start : start + together]
        made = _drawn(entry, [queries[index] for index in chosen], draw_key=draw_key)
        for index, one in zip(chosen, made, strict=True):
            answers[index] = (
                one if isinstance(one, QbrixError) else _outcome(entry, one, age_ms=age_ms)
            )
    return [answer for answer in answers if answer is not None]


def _refusal(entry: Prepared, query: Query) -> QbrixError | None:
    if entry.tenant != query.tenant:
        return NotFound("experiment", query.experiment)
    if entry.dim and len(query.context) != 8 * entry.dim:
        return ShapeError(
            f"context has {len(query.context) // 8} features, the experiment needs {entry.dim}"
        )
    return None


def _drawn(
    entry: Prepared, queries: Sequence[Query], *, draw_key: bytes
) -> list[Decision | QbrixError]:
    contexts = None
    if entry.dim:
        together = b"".join([query.context for query in queries])
        contexts = np.frombuffer(together, dtype="<f8").reshape(len(queries), entry.dim)
    u = uniforms(
        draw_key,
        experiment=queries[0].experiment,
        epoch=entry.epoch,
        decision_ids=[query.decision_id for query in queries],
    )
    try:
        with foreign_code("decide", doing="the policy"):
            made = entry.decider.decide_many(u, contexts)
    except QbrixError as error:
        if len(queries) > 1:
            return [_drawn(entry, [query], draw_key=draw_key)[0] for query in queries]
        # The library's way to say that this context is not one of the policy's, e.g. no advice.
        if isinstance(error, (InvalidParameter, ShapeError)):
            return [ShapeError(str(error))]
        return [_failed(entry, queries[0], error)]
    return [
        one if one.low <= one.u < one.low + one.propensity <= 1.0 else _failed(entry, query, one)
        for one, query in zip(made, queries, strict=True)
    ]


def _failed(entry: Prepared, query: Query, found: object) -> QbrixError:
    if entry.failures is not None:
        entry.failures.add()
    _log.error(
        "policy_failed", experiment=query.experiment, found=str(found), request=query.request
    )
    return Unavailable(
        f"the policy of experiment {query.experiment} failed to choose; motor's log has the cause"
    )


def _outcome(entry: Prepared, made: Decision, *, age_ms: int) -> Outcome:
    return Outcome(*made, entry.epoch, entry.version, age_ms)
