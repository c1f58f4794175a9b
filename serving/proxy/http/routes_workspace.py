"""Routes of a workspace and the people in it, and of what they did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from serving.proxy.documents.answers import Message
from serving.proxy.http.described import errors
from serving.proxy.http.strict import Caller, Gate, StrictRoute, allow_admin
from serving.proxy.people import views
from serving.proxy.people.answers import (
    AuditPage,
    InvitePage,
    NewInvite,
    Roles,
    User,
    UserPage,
    Workspace,
)
from serving.proxy.people.bodies import InviteCreate, RolePut, StatusPatch, WorkspacePatch
from serving.proxy.people.principals import Principal

__all__ = ["audit", "router"]

router = APIRouter(prefix="/api/auth", tags=["workspace"], route_class=StrictRoute)
audit = APIRouter(prefix="/api/v1/audit", tags=["audit"], route_class=StrictRoute)

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=2**31)]
Auditor = Annotated[Principal, allow_admin("audit:read")]
Manager = Annotated[Principal, allow_admin("workspace:write")]
MemberReader = Annotated[Principal, allow_admin("member:read")]
MemberWriter = Annotated[Principal, allow_admin("member:write")]
UserReader = Annotated[Principal, allow_admin("user:read")]
UserWriter = Annotated[Principal, allow_admin("user:write")]


@router.get("/workspace", responses=errors(404))
async def read_workspace(caller: Caller, gateway: Gate) -> Workspace:
    """The workspace that the credential belongs to."""
    return views.workspace(await gateway.people.members.workspace(caller))


@router.patch("/workspace", responses=errors(404, 409))
async def patch_workspace(body: WorkspacePatch, caller: Manager, gateway: Gate) -> Workspace:
    """Change its name or slug."""
    members = gateway.people.members
    return views.workspace(await members.change_workspace(caller, name=body.name, slug=body.slug))


@router.get("/workspace/members")
async def list_members(
    caller: MemberReader, gateway: Gate, limit: Limit = 100, offset: Offset = 0
) -> UserPage:
    """Who is in the workspace, newest first."""
    found = await gateway.people.members.users(caller, limit=limit, offset=offset)
    return {"users": [views.user(one) for one in found], "limit": limit, "offset": offset}


@router.post("/workspace/invites", status_code=201, responses=errors(409))
async def create_invite(body: InviteCreate, caller: MemberWriter, gateway: Gate) -> NewInvite:
    """Invite somebody; the token is shown this once, to be passed on."""
    members = gateway.people.members
    record, token = await members.invite(caller, email=body.email, role=body.role)
    return {**views.invite(record), "token": token}


@router.get("/workspace/invites")
async def list_invites(
    caller: MemberReader, gateway: Gate, limit: Limit = 100, offset: Offset = 0
) -> InvitePage:
    """Invites that can still be accepted, newest first."""
    found = await gateway.people.members.invites(caller, limit=limit, offset=offset)
    return {"invites": [views.invite(one) for one in found], "limit": limit, "offset": offset}


@router.delete("/workspace/invites/{invite_id}")
async def delete_invite(invite_id: str, caller: MemberWriter, gateway: Gate) -> Message:
    """Withdraw an invite."""
    await gateway.people.members.withdraw(caller, invite_id)
    return {"message": f"invite {invite_id} was withdrawn"}


@router.get("/users")
async def list_users(
    caller: UserReader, gateway: Gate, limit: Limit = 100, offset: Offset = 0
) -> UserPage:
    """The users of the own workspace, newest first."""
    found = await gateway.people.members.users(caller, limit=limit, offset=offset)
    return {"users": [views.user(one) for one in found], "limit": limit, "offset": offset}


@router.put("/users/{user_id}/role", responses=errors(409))
async def put_role(user_id: str, body: RolePut, caller: UserWriter, gateway: Gate) -> User:
    """Give another role; it holds at once, for keys too."""
    return views.user(await gateway.people.members.change(caller, user_id, role=body.role))


@router.patch("/users/{user_id}/status", responses=errors(409))
async def patch_status(user_id: str, body: StatusPatch, caller: UserWriter, gateway: Gate) -> User:
    """Switch a user, with sessions and keys, off or on."""
    members = gateway.people.members
    return views.user(await members.change(caller, user_id, is_active=body.is_active))


@router.get("/roles")
async def list_roles(caller: UserReader) -> Roles:
    """Roles and their scopes."""
    return {"roles": views.roles()}


@audit.get("")
async def list_audit(
    caller: Auditor, gateway: Gate, limit: Limit = 100, offset: Offset = 0
) -> AuditPage:
    """Every write in the workspace, newest first."""
    found = await gateway.stores.audit.entries(caller.tenant, limit=limit, offset=offset)
    shown = [views.audit_entry(one) for one in found]
    return {"entries": shown, "limit": limit, "offset": offset}
