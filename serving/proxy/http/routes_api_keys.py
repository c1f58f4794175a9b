"""Routes of API keys."""

from __future__ import annotations

from fastapi import APIRouter

from serving.proxy.documents.answers import Message
from serving.proxy.gateway import Gateway
from serving.proxy.http.strict import Caller, Gate, StrictRoute
from serving.proxy.people import views as account_views
from serving.proxy.people.answers import ApiKey, NewApiKey
from serving.proxy.people.bodies import KeyCreate, KeyPatch
from serving.storage.base import ApiKeyRecord

__all__ = ["router"]

router = APIRouter(prefix="/api/auth/api-keys", tags=["api keys"], route_class=StrictRoute)


@router.post("", status_code=201)
async def create_api_key(body: KeyCreate, caller: Caller, gateway: Gate) -> NewApiKey:
    """Make a key; it is shown this once."""
    record, key = await gateway.api_keys.create(
        caller, name=body.name, scopes=body.scopes, per_minute=body.rate_limit_per_minute
    )
    return {**_shown(record, gateway), "key": key}


@router.get("")
async def list_api_keys(caller: Caller, gateway: Gate) -> list[ApiKey]:
    """List the keys that the caller may manage."""
    return [_shown(record, gateway) for record in await gateway.api_keys.list(caller)]


@router.patch("/{key_id}")
async def patch_api_key(key_id: str, body: KeyPatch, caller: Caller, gateway: Gate) -> ApiKey:
    """Rename a key; admins may limit it too."""
    wanted = body.model_dump(exclude_unset=True)
    shown = _shown(await gateway.api_keys.get(caller, key_id), gateway)
    if wanted.get("rate_limit_per_minute") == shown["rate_limit_per_minute"]:
        wanted.pop("rate_limit_per_minute", None)  # it came back as it was shown
    return _shown(await gateway.api_keys.change(caller, key_id, **wanted), gateway)


@router.post("/{key_id}/rotate")
async def rotate_api_key(key_id: str, caller: Caller, gateway: Gate) -> NewApiKey:
    """Replace the key under the same id."""
    record, key = await gateway.api_keys.rotate(caller, key_id)
    return {**_shown(record, gateway), "key": key}


@router.delete("/{key_id}")
async def delete_api_key(key_id: str, caller: Caller, gateway: Gate) -> Message:
    """End a key."""
    await gateway.api_keys.delete(caller, key_id)
    return {"message": f"API key {key_id} was deleted"}


def _shown(record: ApiKeyRecord, gateway: Gateway) -> ApiKey:
    """With the limit that holds; null where there is none."""
    limit = gateway.limits.allowed(record.rate_limit_per_minute) or None
    return {**account_views.api_key(record), "rate_limit_per_minute": limit}
