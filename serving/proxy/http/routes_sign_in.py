"""Routes by which people come in, and their own profile."""

from __future__ import annotations

from fastapi import APIRouter

from serving.proxy.http.described import errors
from serving.proxy.http.strict import Caller, Gate, PublicRoute, StrictRoute, limited
from serving.proxy.people import views
from serving.proxy.people.answers import (
    Config,
    Invited,
    NewPassword,
    Session,
    Tokens,
    User,
)
from serving.proxy.people.bodies import (
    InviteAccept,
    Login,
    PasswordChange,
    ProfilePatch,
    Refresh,
    Register,
)
from serving.proxy.people.sign_in import Newcomer, SignedIn

__all__ = ["private", "public"]

public = APIRouter(
    prefix="/api/auth", tags=["accounts"], route_class=PublicRoute, responses=errors(429)
)
private = APIRouter(prefix="/api/auth", tags=["accounts"], route_class=StrictRoute)


@public.get("/config")
async def config(gateway: Gate) -> Config:
    """What a sign-in page has to know."""
    return {
        "signup_open": await gateway.people.sign_in.is_open(),
        "edition": views.EDITION,
        "email_enabled": False,
    }


@public.post("/register", status_code=201, dependencies=[limited], responses=errors(403, 409))
async def register(body: Register, gateway: Gate) -> User:
    """Make a workspace and become its admin."""
    newcomer = Newcomer(
        email=body.email,
        password=body.password,
        name=body.name,
        workspace_name=body.workspace_name,
        workspace_slug=body.workspace_slug,
    )
    return views.user(await gateway.people.sign_in.register(newcomer))


@public.post("/login", dependencies=[limited], responses=errors(401))
async def login(body: Login, gateway: Gate) -> Session:
    """Sign in with e-mail and password."""
    return _session(await gateway.people.sign_in.login(body.email, body.password))


@public.post("/refresh", dependencies=[limited], responses=errors(401))
async def refresh(body: Refresh, gateway: Gate) -> Tokens:
    """Exchange a refresh token for the next pair of tokens; each is good once."""
    made = await gateway.people.sign_in.refresh(body.refresh_token)
    return _tokens(made)


@public.get("/invites/{token}", dependencies=[limited])
async def read_invite(token: str, gateway: Gate) -> Invited:
    """What an invite is for."""
    invite, workspace = await gateway.people.members.invited(token)
    return {
        "email": invite.email,
        "role": invite.role,
        "workspace_name": workspace.title,
        "expires_at": invite.expires_ms / 1000,
    }


@public.post(
    "/invites/{token}/accept",
    status_code=201,
    dependencies=[limited],
    responses=errors(401, 409),
)
async def accept_invite(token: str, body: InviteAccept, gateway: Gate) -> Session:
    """Take a seat in a workspace and sign in."""
    members = gateway.people.members
    return _session(await members.accept(token, name=body.name, password=body.password))


@private.get("/profile", responses=errors(404))
async def read_profile(caller: Caller, gateway: Gate) -> User:
    """Who is signed in."""
    return views.user(await gateway.people.sign_in.profile(caller))


@private.patch("/profile", responses=errors(404))
async def patch_profile(body: ProfilePatch, caller: Caller, gateway: Gate) -> User:
    """Take another name."""
    sign_in = gateway.people.sign_in
    return views.user(await sign_in.rename(caller, name=body.name, email=body.email))


@private.post("/change-password", responses=errors(404, 429))
async def change_password(body: PasswordChange, caller: Caller, gateway: Gate) -> NewPassword:
    """Take another password: every session ends and one begins."""
    made = await gateway.people.sign_in.change_password(
        caller, current=body.current_password, new=body.new_password
    )
    return {"message": "the password was changed; all other sessions ended", **_tokens(made)}


def _session(made: SignedIn) -> Session:
    return {"user": views.user(made.user), **_tokens(made)}


def _tokens(made: SignedIn) -> Tokens:
    return {
        "access_token": made.access_token,
        "refresh_token": made.refresh_token,
        "token_type": "bearer",
    }
