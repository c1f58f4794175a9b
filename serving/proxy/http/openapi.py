"""The OpenAPI document: FastAPI's own, and the hot routes that FastAPI does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from fastapi import FastAPI

from serving.proxy.http.described import CREDENTIALS, SCHEMES, ErrorBody, errors
from serving.proxy.http.hot import HotRoute

__all__ = ["document"]

_ERRORS = (400, 401, 403, 404, 408, 413, 422, 429, 503)
_REF = "#/components/schemas/{name}"


def document(app: FastAPI, routes: Iterable[HotRoute[Any]]) -> Callable[[], dict[str, Any]]:
    """What `FastAPI.openapi` becomes."""
    own = app.openapi
    hot = list(routes)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = own()
        schema.setdefault("components", {})["securitySchemes"] = SCHEMES
        components = schema["components"].setdefault("schemas", {})
        components[ErrorBody.__name__] = ErrorBody.model_json_schema()
        for route in hot:
            (asked, answered), described = msgspec.json.schema_components(
                [route.message, route.answer], ref_template=_REF
            )
            components.update(described)
            schema["paths"][route.path] = {"post": _operation(route, asked, answered)}
        return schema

    return openapi


def _operation(
    route: HotRoute[Any], asked: dict[str, Any], answered: dict[str, Any]
) -> dict[str, Any]:
    return {
        "tags": ["agent"],
        "summary": " ".join(route.path.split("/")[4:]).capitalize(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            str(route.status): {
                "description": "Successful Response",
                "content": {"application/json": {"schema": answered}},
            },
            **{str(status): said for status, said in errors(*_ERRORS).items()},
        },
        "security": CREDENTIALS,
    }
