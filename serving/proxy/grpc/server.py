"""The public API's gRPC server over a gateway."""

from __future__ import annotations

from collections.abc import Mapping

from qbrix.errors import InvalidParameter
from serving.proxy.gateway import Gateway
from serving.proxy.grpc import agent, experiments, gates, pools, system
from serving.proxy.grpc.calls import SERVICE, Calls
from serving.settings import ProxySettings
from serving.wire.server import Certificate, GrpcServer, Method

__all__ = ["public_server"]

_CONTROL = {
    "CreatePool": ("pool:write", pools.create_pool),
    "GetPool": ("pool:read", pools.get_pool),
    "ListPools": ("pool:read", pools.list_pools),
    "UpdatePool": ("pool:write", pools.update_pool),
    "DeletePool": ("pool:delete", pools.delete_pool),
    "CreateExperiment": ("experiment:write", experiments.create_experiment),
    "GetExperiment": ("experiment:read", experiments.get_experiment),
    "ListExperiments": ("experiment:read", experiments.list_experiments),
    "ListPoolExperiments": ("pool:read", experiments.list_pool_experiments),
    "UpdateExperiment": ("experiment:write", experiments.update_experiment),
    "DeleteExperiment": ("experiment:delete", experiments.delete_experiment),
    "CreateGateConfig": ("gate:write", gates.create_gate),
    "GetGateConfig": ("gate:read", gates.get_gate),
    "UpdateGateConfig": ("gate:write", gates.update_gate),
    "DeleteGateConfig": ("gate:write", gates.delete_gate),
}


def public_server(gateway: Gateway) -> GrpcServer:
    """A server of ``qbrix.proxy.ProxyService``, with health and reflection."""
    settings = gateway.settings
    return GrpcServer(
        {SERVICE: _methods(gateway)},
        address=f"{settings.host}:{settings.grpc_port}",
        healthy=lambda: gateway.ready,
        limit_bytes=settings.body_limit_bytes,
        reuse_port=settings.reuse_port,
        reflects=True,
        certificate=_certificate(settings),
    )


def _methods(gateway: Gateway) -> Mapping[str, Method]:
    calls = Calls(gateway)
    timed = gateway.metrics.select_s
    return {
        **{name: calls.control(name, *row) for name, row in _CONTROL.items()},
        "Select": calls.hot("Select", "agent:read", agent.select, timed=timed),
        "Feedback": calls.hot(
            "Feedback", "agent:write", agent.feedback, timed=gateway.metrics.feedback_s
        ),
        "ListPolicies": calls.public("ListPolicies", system.policies),
        "Health": calls.public("Health", system.health),
    }


def _certificate(settings: ProxySettings) -> Certificate | None:
    chain, key = settings.grpc_tls_cert_file, settings.grpc_tls_key_file
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise InvalidParameter(
            "PROXY_GRPC_TLS_CERT_FILE and PROXY_GRPC_TLS_KEY_FILE go together; set both or none"
        )
    return Certificate(chain=chain, key=key)
