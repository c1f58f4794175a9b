"""Routes of API keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from serving.proxy import views
from serving.proxy.models import ApiKeyCreate, ApiKeyPatch
from serving.proxy.strict import Caller, Gate, StrictRoute

__all__ = ["router"]

router = APIRouter(prefix="/api/auth/api-keys", tags=["api keys"], route_class=StrictRoute)


@router.post("", status_code=201)
async def create_api_key(body: ApiKeyCreate, caller: Caller, gateway: Gate) -> dict[str, Any]:
    """Make a key; it is shown this once."""
    record, key = await gateway.api_keys.create(caller, name=body.name, scopes=body.scopes)
    return {**views.api_key(record), "key": key}


@router.get("")
async def list_api_keys(caller: Caller, gateway: Gate) -> list[dict[str, Any]]:
    """List the keys that the caller may manage."""
    return [views.api_key(record) for record in await gateway.api_keys.list(caller)]


@router.patch("/{key_id}")
async def rename_api_key(
    key_id: str, body: ApiKeyPatch, caller: Caller, gateway: Gate
) -> dict[str, Any]:
    """Rename a key."""
    return views.api_key(await gateway.api_keys.rename(caller, key_id, name=body.name))


@router.post("/{key_id}/rotate")
async def rotate_api_key(key_id: str, caller: Caller, gateway: Gate) -> dict[str, Any]:
    """Replace the key under the same id."""
    record, key = await gateway.api_keys.rotate(caller, key_id)
    return {**views.api_key(record), "key": key}


@router.delete("/{key_id}")
async def delete_api_key(key_id: str, caller: Caller, gateway: Gate) -> dict[str, Any]:
    """End a key."""
    await gateway.api_keys.delete(caller, key_id)
    return {"message": f"API key {key_id} was deleted"}
