"""Messages about experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.wire.gen import common_pb2, proxy_pb2
from serving.wire.public.gates import gate, read_gate
from serving.wire.public.pools import pool
from serving.wire.public.values import as_text, parse, read_struct, read_text, struct

__all__ = [
    "read_create_experiment",
    "read_experiment_id",
    "read_list_experiments",
    "read_update_experiment",
    "write_deleted_experiment",
    "write_experiment",
    "write_experiments",
    "write_pool_experiments",
]


def read_create_experiment(data: bytes) -> dict[str, Any]:
    """The body."""
    request = parse(proxy_pb2.CreateExperimentRequest, data)
    given = {"feature_gate": read_gate(request.feature_gate)}
    return {
        "name": request.name,
        "pool_id": request.pool_id,
        "policy": request.policy,
        "policy_params": _params(request) or {},
        "enabled": request.enabled,
        **(given if request.HasField("feature_gate") else {}),
        **_learning(request),
    }


def read_update_experiment(data: bytes) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """Experiment id, body, and the body of the gate to put before it."""
    request = parse(proxy_pb2.UpdateExperimentRequest, data)
    body: dict[str, Any] = {}
    if request.HasField("enabled"):
        body["enabled"] = request.enabled
    if (params := _params(request)) is not None:
        body["policy_params"] = params
    body |= _learning(request)
    has_gate = request.HasField("feature_gate")
    return request.experiment_id, body, read_gate(request.feature_gate) if has_gate else None


def read_experiment_id(data: bytes) -> str:
    """Of a request that says nothing else: get, delete."""
    return parse(proxy_pb2.GetExperimentRequest, data).experiment_id


def read_list_experiments(data: bytes) -> tuple[int, int, str | None, bool | None]:
    """Limit, offset, search and whether they are enabled."""
    request = parse(proxy_pb2.ListExperimentsRequest, data)
    search = request.search if request.HasField("search") else None
    enabled = request.enabled if request.HasField("enabled") else None
    return request.limit, request.offset, search, enabled


def write_experiment(view: Mapping[str, Any]) -> bytes:
    """The answer of create, get and update: a detail in all of them."""
    return _detail(view).SerializeToString()


def write_experiments(views: Sequence[Mapping[str, Any]], *, limit: int, offset: int) -> bytes:
    """ListExperimentsResponse."""
    items = [_detail(view) for view in views]
    return proxy_pb2.ListExperimentsResponse(
        experiments=[item.experiment for item in items], limit=limit, offset=offset, items=items
    ).SerializeToString()


def write_pool_experiments(views: Sequence[Mapping[str, Any]]) -> bytes:
    """ListPoolExperimentsResponse."""
    items = [_detail(view) for view in views]
    return proxy_pb2.ListPoolExperimentsResponse(
        experiments=[item.experiment for item in items], items=items
    ).SerializeToString()


def write_deleted_experiment() -> bytes:
    """DeleteExperimentResponse."""
    return proxy_pb2.DeleteExperimentResponse(deleted=True).SerializeToString()


def _params(
    request: proxy_pb2.CreateExperimentRequest | proxy_pb2.UpdateExperimentRequest,
) -> dict[str, Any] | None:
    """Hyper-parameters: the Struct when it is there, else the map; None for neither."""
    if request.HasField("policy_params_json"):
        return read_struct(request.policy_params_json)
    given = {name: read_text(text) for name, text in request.policy_params.items()}
    return given or None


def _learning(
    request: proxy_pb2.CreateExperimentRequest | proxy_pb2.UpdateExperimentRequest,
) -> dict[str, Any]:
    """How rewards are learned, where the request says so."""
    if not request.HasField("learning"):
        return {}
    return {"learning": read_struct(request.learning)}


def _detail(view: Mapping[str, Any]) -> proxy_pb2.ExperimentDetail:
    params = view["policy_params"]
    experiment = common_pb2.Experiment(
        id=view["id"],
        name=view["name"],
        pool_id=view["pool_id"],
        policy=view["policy"],
        policy_params={name: as_text(item) for name, item in params.items()},
        enabled=view["enabled"],
        created_at=view["created_at"],
        updated_at=view["updated_at"],
        policy_params_json=struct(params),
        learning=struct(view["learning"]),
    )
    before = view["feature_gate"]
    return proxy_pb2.ExperimentDetail(
        experiment=experiment,
        feature_gate=None if before is None else gate(before),
        pool=pool(view["pool"]),
    )
