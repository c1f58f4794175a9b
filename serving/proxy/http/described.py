"""Errors and credentials as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["BUNDLE", "CREDENTIALS", "SCHEMES", "ErrorBody", "errors"]

SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "an access token or an API key"},
}
BUNDLE = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
CREDENTIALS: list[dict[str, list[str]]] = [{"ApiKey": []}, {"Bearer": []}]

_SAY = {
    400: "The request can never succeed as it is",
    401: "No valid credential",
    403: "The credential may not do this",
    404: "There is no such thing in this workspace",
    408: "The body came too slowly",
    409: "It contradicts what is stored",
    413: "The body is too long",
    422: "The request cannot be understood",
    429: "Too many requests; Retry-After says when to come again",
    503: "Not now; Retry-After says when to come again",
}
_COME_AGAIN = (429, 503)


class ErrorBody(BaseModel):
    """Every error looks like this."""

    model_config = ConfigDict(title="Error")

    code: str
    detail: str
    context: dict[str, Any] | None = None


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the ``responses`` of a route, router or operation.

    A reference, not a ``model``: of that the framework would build one more for every status.
    """
    return {status: _said(status) for status in sorted(statuses)}


def _said(status: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    said: dict[str, Any] = {
        "description": _SAY[status],
        "content": {"application/json": {"schema": schema}},
    }
    if status in _COME_AGAIN:
        said["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return said
