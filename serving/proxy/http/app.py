"""The ASGI application over a gateway: hot routes first, FastAPI for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

import qbrix
from qbrix.errors import QbrixError
from serving.errors import INTERNAL, Answer, translate
from serving.proxy.agent.messages import (
    BatchFeedback,
    BatchResults,
    BatchSelect,
    BatchSelection,
    FeedbackRequest,
    FeedbackResult,
    RetractRequest,
    Selection,
    SelectRequest,
)
from serving.proxy.agent.once import (
    keys_of_feedback,
    keys_of_feedbacks,
    keys_of_retraction,
    keys_of_select,
    keys_of_selects,
)
from serving.proxy.documents.plain import sentences
from serving.proxy.gateway import Gateway
from serving.proxy.http import (
    routes_api_keys,
    routes_downloads,
    routes_experiments,
    routes_gates,
    routes_insight,
    routes_pools,
    routes_sign_in,
    routes_system,
    routes_workspace,
)
from serving.proxy.http.allowed import AllowedMethods
from serving.proxy.http.dispatch import Dispatch
from serving.proxy.http.hot import HotRoute
from serving.proxy.http.openapi import document

__all__ = ["build_app"]

_log = structlog.get_logger("proxy")


def build_app(gateway: Gateway) -> Dispatch:
    """The application; starting and stopping the gateway is its owner's business."""
    app = FastAPI(
        title="qbrix",
        version=qbrix.__version__,
        description="Multi-armed bandits, from the notebook to production.",
        strict_content_type=False,
    )
    app.state.gateway = gateway
    routers = (
        routes_system.public,
        routes_system.private,
        routes_pools.router,
        routes_experiments.router,
        routes_gates.router,
        routes_insight.router,
        routes_downloads.router,
        routes_api_keys.router,
        routes_sign_in.public,
        routes_sign_in.private,
        routes_workspace.router,
        routes_workspace.audit,
    )
    for router in routers:
        app.router.routes.extend(router.routes)  # built once, however many applications there are
    app.state.allowed = AllowedMethods(routers)
    app.add_exception_handler(QbrixError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_exception_handler(Exception, _failed)
    routes = hot_routes(gateway)
    app.openapi = document(app, routes)  # type: ignore[method-assign]
    by_path = {route.path: route for route in routes}
    return Dispatch(app, routes=by_path, draining=lambda: gateway.draining, metrics=gateway.metrics)


def hot_routes(gateway: Gateway) -> list[HotRoute[Any]]:
    """The routes that carry the traffic."""
    return [*_select_routes(gateway), *_feedback_routes(gateway)]


def _select_routes(gateway: Gateway) -> list[HotRoute[Any]]:
    agent, doors = gateway.agent, gateway.doors
    batch = replace(doors, limit_bytes=gateway.settings.batch_limit_bytes)
    return [
        HotRoute(
            "/api/v1/agent/select",
            scope="agent:read",
            message=SelectRequest,
            handle=agent.select,
            keys=keys_of_select,
            answer=Selection,
            status=200,
            doors=doors,
            timed=gateway.metrics.select_s,
            prompt=agent.prompt,
        ),
        HotRoute(
            "/api/v1/agent/select/batch",
            scope="agent:read",
            message=BatchSelect,
            handle=agent.select_batch,
            keys=keys_of_selects,
            answer=BatchSelection,
            status=200,
            doors=batch,
        ),
    ]


def _feedback_routes(gateway: Gateway) -> list[HotRoute[Any]]:
    rewards, doors = gateway.rewards, gateway.doors
    batch = replace(doors, limit_bytes=gateway.settings.batch_limit_bytes)
    return [
        HotRoute(
            "/api/v1/agent/feedback",
            scope="agent:write",
            message=FeedbackRequest,
            handle=rewards.feedback,
            keys=keys_of_feedback,
            answer=FeedbackResult,
            status=201,
            doors=doors,
            timed=gateway.metrics.feedback_s,
        ),
        HotRoute(
            "/api/v1/agent/feedback/retract",
            scope="agent:write",
            message=RetractRequest,
            handle=rewards.retract,
            keys=keys_of_retraction,
            answer=FeedbackResult,
            status=201,
            doors=doors,
        ),
        HotRoute(
            "/api/v1/agent/feedback/batch",
            scope="agent:write",
            message=BatchFeedback,
            handle=rewards.feedback_batch,
            keys=keys_of_feedbacks,
            answer=BatchResults,
            status=201,
            doors=batch,
        ),
    ]


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, QbrixError)
    answer = translate(error)
    if answer is INTERNAL:
        _log.error("unlisted_error", error=repr(error), exc_info=error)
    return _respond(answer)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _respond(
        Answer(
            status=422,
            code="VALIDATION_ERROR",
            detail=sentences(error.errors()),
            grpc="INVALID_ARGUMENT",
        )
    )


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = request.app.state.allowed.of(request.url.path)
    codes = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
    code = codes.get(error.status_code, "BAD_REQUEST")
    answer = Answer(
        status=error.status_code, code=code, detail=str(error.detail), grpc="UNIMPLEMENTED"
    )
    return _respond(answer, headers=headers)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    # The framework raises the error again, upon which the server drops the connection.
    return _respond(INTERNAL, headers={"Connection": "close"})


def _respond(answer: Answer, *, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        answer.body(), status_code=answer.status, headers={**answer.headers(), **(headers or {})}
    )
