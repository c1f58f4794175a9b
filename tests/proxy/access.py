"""Who may do what: one row for every operation of the public interface, written by hand.

The rows are compared with what the application itself lists, so that nobody adds an operation
without saying here whom it is for. A transport turns an operation into a request and its answer
into a verdict; the tests are the same over each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx
from google.protobuf import json_format

from tests.proxy.speaking import METHODS, Refused, Speaker
from tests.proxy.world import World

__all__ = [
    "KINDS",
    "OPERATIONS",
    "ROLES",
    "Grpc",
    "Operation",
    "Rest",
    "Transport",
    "Verdict",
    "filled",
]

Verdict = Literal["done", "refused", "missing", "unknown", "scope", "admin"]

_READS = {f"{what}:read" for what in ("experiment", "pool", "agent", "gate", "insight", "runtime")}
_WRITES = {
    *("experiment:write", "experiment:delete", "pool:write", "pool:delete"),
    *("agent:write", "gate:write"),
}
_PEOPLE = {
    *("user:read", "user:write", "member:read", "member:write"),
    *("workspace:write", "audit:read"),
}
ROLES: dict[str, set[str]] = {
    "viewer": _READS,
    "member": _READS | _WRITES,
    "admin": _READS | _WRITES | _PEOPLE,
}


# What belongs to a tenant and has an id that a stranger may try.
KINDS = (
    *("pool_id", "experiment_id", "decision_id", "sha256"),
    *("key_id", "invite_id", "user_id"),
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``name`` is the transport's; ``needs`` a scope, or ``public``, or ``any`` credential.

    A ``"{pool_id}"`` in its name or in what it ``sends`` stands for an id of that kind.
    """

    name: str
    needs: str
    sends: Any = None
    content: bytes | None = field(default=None, repr=False)

    @property
    def takes_ids(self) -> bool:
        """Whether it is about something that belongs to a tenant."""
        return any(f"{{{kind}}}" in f"{self.name} {self.sends}" for kind in KINDS)


class Transport(Protocol):
    """A way to call operations; ``kinds`` of ids can be tried with it."""

    @property
    def world(self) -> World: ...

    @property
    def kinds(self) -> set[str]: ...

    async def operations(self) -> set[str]:
        """The names of all that there are."""
        ...

    async def call(
        self, operation: Operation, *, credential: Mapping[str, str], ids: Mapping[str, str] | None
    ) -> Verdict:
        """One call, with these ids in their places; None sends an empty message about nothing."""
        ...


@dataclass(frozen=True)
class Rest:
    """Over HTTP; an operation's name is its method and path."""

    world: World
    kinds: set[str] = field(default_factory=lambda: set(KINDS))

    async def operations(self) -> set[str]:
        """As the OpenAPI document lists them."""
        document = (await self.world.bare.get("/openapi.json")).json()
        return {
            f"{method.upper()} {path}"
            for path, methods in document["paths"].items()
            for method in methods
        }

    async def call(
        self, operation: Operation, *, credential: Mapping[str, str], ids: Mapping[str, str] | None
    ) -> Verdict:
        """One request."""
        method, path = operation.name.split()
        body: Any = {}
        if ids is not None:
            body = filled(operation.sends, ids)
        answer = await self.world.bare.request(
            method,
            filled(path, ids or Nothing()),
            headers=dict(credential),
            json=None if operation.content or method in ("GET", "DELETE") else body,
            content=operation.content,
        )
        assert answer.status_code < 500, f"{operation.name}: {answer.text}"
        return _verdict(answer)


@dataclass(frozen=True)
class Grpc:
    """Over gRPC; an operation's name is its method."""

    speaker: Speaker
    kinds: set[str] = field(default_factory=lambda: {"pool_id", "experiment_id"})

    @property
    def world(self) -> World:
        """Behind the server."""
        return self.speaker.world

    async def operations(self) -> set[str]:
        """As the service's descriptor lists them."""
        return set(METHODS)

    async def call(
        self, operation: Operation, *, credential: Mapping[str, str], ids: Mapping[str, str] | None
    ) -> Verdict:
        """One call."""
        asked, _ = METHODS[operation.name]
        message = asked()
        if ids is not None:
            json_format.ParseDict(filled(operation.sends, ids), message)
        sent = {name.lower().replace("-", "_"): value for name, value in credential.items()}
        try:
            await self.speaker.having(**sent).call(operation.name, message)
        except Refused as refusal:
            if refusal.code in ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED"):
                raise
            return _STATUSES.get(refusal.code, "refused")
        return "done"


_STATUSES: dict[str, Verdict] = {
    "UNAUTHENTICATED": "unknown",
    "PERMISSION_DENIED": "scope",
    "NOT_FOUND": "missing",
}


class Nothing(dict[str, str]):
    """Ids of what does not exist."""

    def __missing__(self, _: str) -> str:
        return "0" * 32


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """The value with every ``{kind}`` replaced by the id of that kind."""
    if isinstance(value, str):
        return value.format_map(ids) if "{" in value else value
    if isinstance(value, dict):
        return {key: filled(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return value


def _verdict(answer: httpx.Response) -> Verdict:
    if answer.is_success:
        return "done"
    code = answer.json()["code"]
    match answer.status_code:
        case 401:
            return "unknown"
        case 403:
            assert code in ("INSUFFICIENT_SCOPES", "FORBIDDEN"), answer.text
            return "scope" if code == "INSUFFICIENT_SCOPES" else "admin"
        case 404:
            assert code.endswith("_NOT_FOUND"), answer.text
            return "missing"
    return "refused"


_POOL, _EXPERIMENT = "/api/v1/pools/{pool_id}", "/api/v1/experiments/{experiment_id}"
_GATE = "/api/v1/gates/{experiment_id}"
_INSIGHT = "/api/v1/insight/experiment/{experiment_id}"
_AUTH = "/api/auth"
_CONTEXT = {"id": "visitor-1"}

_ROWS = [
    *(
        Operation(name=f"GET {path}", needs="public")
        for path in ("/health", "/api/health", "/info", "/livez", "/readyz", "/metrics")
    ),
    Operation(name="GET /api/v1/policies", needs="any"),
    Operation(name="GET /api/v1/runtime/{service}/health", needs="runtime:read"),
    Operation(name="GET /api/v1/runtime/redis/stream/size", needs="runtime:read"),
    Operation(name="POST /api/v1/pools", needs="pool:write"),
    Operation(name="GET /api/v1/pools", needs="pool:read"),
    Operation(name=f"GET {_POOL}", needs="pool:read"),
    Operation(name=f"PATCH {_POOL}", needs="pool:write", sends={"name": "stolen"}),
    Operation(name=f"DELETE {_POOL}", needs="pool:delete"),
    Operation(name=f"GET {_POOL}/experiments", needs="pool:read"),
    Operation(
        name="POST /api/v1/experiments",
        needs="experiment:write",
        sends={"name": "stolen", "pool_id": "{pool_id}", "policy": "BetaTSPolicy"},
    ),
    Operation(name="GET /api/v1/experiments", needs="experiment:read"),
    Operation(name=f"GET {_EXPERIMENT}", needs="experiment:read"),
    Operation(name=f"PATCH {_EXPERIMENT}", needs="experiment:write", sends={"enabled": False}),
    Operation(name=f"POST {_EXPERIMENT}/reset", needs="experiment:write"),
    Operation(name=f"DELETE {_EXPERIMENT}", needs="experiment:delete"),
    Operation(name=f"POST {_EXPERIMENT}/promote", needs="experiment:write", content=b"PK"),
    Operation(name=f"POST {_EXPERIMENT}/rollback", needs="experiment:write", sends={"version": 0}),
    Operation(name=f"GET {_EXPERIMENT}/state", needs="experiment:read"),
    Operation(name=f"GET {_EXPERIMENT}/ledger", needs="experiment:read"),
    Operation(name=f"GET {_EXPERIMENT}/decisions", needs="experiment:read"),
    Operation(name=f"GET {_EXPERIMENT}/dead-letters", needs="experiment:read"),
    Operation(name="GET /api/v1/decisions/{decision_id}", needs="experiment:read"),
    Operation(name="GET /api/v1/bundles/{sha256}", needs="experiment:read"),
    *(
        Operation(name=f"{method} {_GATE}", needs="gate:write", sends={"enabled": True})
        for method in ("POST", "PUT", "PATCH", "DELETE")
    ),
    Operation(name=f"GET {_GATE}", needs="gate:read"),
    Operation(name=f"POST {_GATE}/evaluate", needs="gate:read", sends={"context_id": "u"}),
    *(
        Operation(name=f"GET {_INSIGHT}{part}", needs="insight:read")
        for part in (
            *("", "/arms", "/timeseries", "/timeseries/rewards", "/timeseries/arms"),
            *("/funnel", "/cumulative"),
        )
    ),
    Operation(
        name="POST /api/v1/agent/select",
        needs="agent:read",
        sends={"experiment_id": "{experiment_id}", "context": _CONTEXT},
    ),
    Operation(
        name="POST /api/v1/agent/select/batch",
        needs="agent:read",
        sends={"experiment_id": "{experiment_id}", "contexts": [_CONTEXT]},
    ),
    Operation(name="POST /api/v1/agent/feedback", needs="agent:write"),
    Operation(name="POST /api/v1/agent/feedback/batch", needs="agent:write"),
    Operation(name="POST /api/v1/agent/feedback/retract", needs="agent:write"),
    Operation(name="GET /api/v1/audit", needs="admin:audit:read"),
    Operation(name=f"GET {_AUTH}/config", needs="public"),
    Operation(name=f"POST {_AUTH}/register", needs="public"),
    Operation(name=f"POST {_AUTH}/login", needs="public"),
    Operation(name=f"POST {_AUTH}/refresh", needs="public"),
    Operation(name=f"GET {_AUTH}/invites/{{token}}", needs="public"),
    Operation(name=f"POST {_AUTH}/invites/{{token}}/accept", needs="public"),
    Operation(name=f"GET {_AUTH}/profile", needs="any"),
    Operation(name=f"PATCH {_AUTH}/profile", needs="any"),
    Operation(name=f"POST {_AUTH}/change-password", needs="any"),
    Operation(name=f"POST {_AUTH}/api-keys", needs="any"),
    Operation(name=f"GET {_AUTH}/api-keys", needs="any"),
    Operation(name=f"PATCH {_AUTH}/api-keys/{{key_id}}", needs="any", sends={"name": "stolen"}),
    Operation(name=f"POST {_AUTH}/api-keys/{{key_id}}/rotate", needs="any"),
    Operation(name=f"DELETE {_AUTH}/api-keys/{{key_id}}", needs="any"),
    Operation(name=f"GET {_AUTH}/workspace", needs="any"),
    Operation(name=f"PATCH {_AUTH}/workspace", needs="admin:workspace:write"),
    Operation(name=f"GET {_AUTH}/workspace/members", needs="admin:member:read"),
    Operation(name=f"POST {_AUTH}/workspace/invites", needs="admin:member:write"),
    Operation(name=f"GET {_AUTH}/workspace/invites", needs="admin:member:read"),
    Operation(name=f"DELETE {_AUTH}/workspace/invites/{{invite_id}}", needs="admin:member:write"),
    Operation(name=f"GET {_AUTH}/users", needs="admin:user:read"),
    Operation(
        name=f"PUT {_AUTH}/users/{{user_id}}/role",
        needs="admin:user:write",
        sends={"role": "viewer"},
    ),
    Operation(
        name=f"PATCH {_AUTH}/users/{{user_id}}/status",
        needs="admin:user:write",
        sends={"is_active": False},
    ),
    Operation(name=f"GET {_AUTH}/roles", needs="admin:user:read"),
]
_POOL_ID, _EXPERIMENT_ID = {"pool_id": "{pool_id}"}, {"experiment_id": "{experiment_id}"}
_ROWS += [
    Operation(name="CreatePool", needs="pool:write"),
    Operation(name="GetPool", needs="pool:read", sends=_POOL_ID),
    Operation(name="ListPools", needs="pool:read"),
    Operation(name="UpdatePool", needs="pool:write", sends={**_POOL_ID, "name": "stolen"}),
    Operation(name="DeletePool", needs="pool:delete", sends=_POOL_ID),
    Operation(
        name="CreateExperiment",
        needs="experiment:write",
        sends={**_POOL_ID, "name": "stolen", "policy": "BetaTSPolicy"},
    ),
    Operation(name="GetExperiment", needs="experiment:read", sends=_EXPERIMENT_ID),
    Operation(name="ListExperiments", needs="experiment:read"),
    Operation(name="ListPoolExperiments", needs="pool:read", sends=_POOL_ID),
    Operation(
        name="UpdateExperiment",
        needs="experiment:write",
        sends={**_EXPERIMENT_ID, "enabled": False},
    ),
    Operation(name="DeleteExperiment", needs="experiment:delete", sends=_EXPERIMENT_ID),
    *(
        Operation(
            name=f"{verb}GateConfig",
            needs="gate:write",
            sends={**_EXPERIMENT_ID, "config": {"enabled": True, "rollout_percentage": 50.0}},
        )
        for verb in ("Create", "Update")
    ),
    Operation(name="GetGateConfig", needs="gate:read", sends=_EXPERIMENT_ID),
    Operation(name="DeleteGateConfig", needs="gate:write", sends=_EXPERIMENT_ID),
    Operation(name="Select", needs="agent:read", sends={**_EXPERIMENT_ID, "context": _CONTEXT}),
    Operation(name="Feedback", needs="agent:write"),
    Operation(name="ListPolicies", needs="public"),
    Operation(name="Health", needs="public"),
]
OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}
