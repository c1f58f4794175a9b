"""Every write is noted in the transaction that makes it: who, what, which, when, which request.

Whoever serves a request says who is `acting`. A store's method that is `audited` has its record
ready for the transaction in which it writes: the Postgres backend takes it and inserts it there,
so that there is no write without its record and no record without its write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast

import msgspec

from serving.storage.records_accounts import AuditRecord, UserRecord

__all__ = ["Actor", "acting", "acting_as", "audited", "request_id", "take"]

Method = TypeVar("Method", bound=Callable[..., Any])


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf a request is served."""

    tenant: str
    user: str | None = None
    key: str | None = None
    request_id: str | None = None


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)
_ready: ContextVar[list[AuditRecord] | None] = ContextVar("ready", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Everything written in this context is the actor's doing."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def acting_as(user: UserRecord) -> AbstractContextManager[None]:
    """The same request, by now on behalf of this user."""
    request_id = None if (actor := _actor.get()) is None else actor.request_id
    return acting(Actor(tenant=user.tenant, user=user.id, request_id=request_id))


def request_id() -> str | None:
    """The request that is served, on whosever behalf."""
    return None if (actor := _actor.get()) is None else actor.request_id


def audited(action: str) -> Callable[[Method], Method]:
    """For a method whose first argument is a record, or a tenant before an id.

    A ``{reason}`` in the action is the record's.
    """

    def decorate(method: Method) -> Method:
        @wraps(method)
        async def noted(self: Any, first: Any, *rest: Any, **named: Any) -> Any:
            actor = _actor.get()
            if actor is None:
                return await method(self, first, *rest, **named)
            done = action.format(reason=getattr(first, "reason", ""))
            records = [_record(actor, done, _subject(first, rest))]
            token = _ready.set(records)
            try:
                result = await method(self, first, *rest, **named)
            finally:
                _ready.reset(token)
            trail: list[AuditRecord] | None = getattr(self, "audit_trail", None)
            if trail is not None:  # a store in memory has no transactions
                trail.extend(records)
            return result

        return cast(Method, noted)

    return decorate


def take() -> list[AuditRecord]:
    """What the transaction that asks has to insert; each is given out once."""
    records = _ready.get()
    if not records:
        return []
    taken = list(records)
    records.clear()
    return taken


def _record(actor: Actor, action: str, subject: str) -> AuditRecord:
    return AuditRecord(
        tenant=actor.tenant,
        at_ms=time.time_ns() // 1_000_000,
        user=actor.user,
        key=actor.key,
        action=action,
        subject=subject,
        request_id=actor.request_id,
    )


def _subject(first: Any, rest: tuple[Any, ...]) -> str:
    for name in ("experiment", "id", "user"):
        if found := getattr(first, name, None):
            return str(found)
    return str(rest[0] if rest else first)
