"""How people come in: registering, signing in, staying signed in, another password."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

import msgspec

from qbrix.errors import Conflict, Forbidden, InvalidRequest, Unauthorised
from serving.proxy.people.passwords import Passwords
from serving.proxy.people.principals import ROLES, Principal
from serving.proxy.people.rate_limits import SignInLimits
from serving.proxy.people.signed_tokens import SignedTokens
from serving.proxy.people.standings import Standings
from serving.storage.audit import acting_as
from serving.storage.base import Accounts
from serving.storage.records_accounts import SessionRecord, UserRecord, WorkspaceRecord

__all__ = ["Newcomer", "SignIn", "SignedIn", "new_user"]

_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Newcomer:
    """Who wants to register."""

    email: str
    password: str
    name: str | None = None
    workspace_name: str | None = None
    workspace_slug: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """A user with the credentials of a session."""

    user: UserRecord
    access_token: str
    refresh_token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SignIn:
    """The doors for people; keys come through `ApiKeys`."""

    accounts: Accounts
    passwords: Passwords
    tokens: SignedTokens
    standings: Standings
    limits: SignInLimits
    mode: Literal["first-user", "open", "closed"]

    async def is_open(self) -> bool:
        """Whether anybody may register."""
        if self.mode == "first-user":
            return not await self.accounts.has_users()
        return self.mode == "open"

    async def register(self, newcomer: Newcomer) -> UserRecord:
        """The first user of a new workspace, its admin; raises Forbidden, Conflict."""
        self.limits.for_email(newcomer.email)
        self.passwords.check_place()
        if not await self.is_open():
            raise Forbidden(
                "nobody can register here; ask an admin for an invite", code="SIGNUP_CLOSED"
            )
        if await self.accounts.find_user(newcomer.email) is not None:
            raise Conflict(
                f"{newcomer.email} has an account here; sign in instead",
                code="USER_ALREADY_EXISTS",
            )
        workspace = _workspace(newcomer)
        user = new_user(
            newcomer.email,
            name=newcomer.name,
            tenant=workspace.id,
            role="admin",
            password_hash=await self.passwords.hash(newcomer.password),
        )
        with acting_as(user):
            await self.accounts.register(
                user, workspace=workspace, only_first=self.mode == "first-user"
            )
        return user

    async def login(self, email: str, password: str) -> SignedIn:
        """A new session; raises Unauthorised without a word on what was wrong."""
        self.limits.for_email(email)
        self.passwords.check_place()
        user = await self.accounts.find_user(email)
        stored = None if user is None else user.password_hash
        fits = await self.passwords.verify(password, stored=stored)
        if user is None or not fits:
            raise _wrong()
        self.limits.succeeded(email)
        return await self.begin(user)

    async def begin(self, user: UserRecord) -> SignedIn:
        """A session for somebody who proved to be this user; raises Unauthorised."""
        made = self.tokens.refresh()
        session = SessionRecord(
            token_sha256=made.digest, family=uuid4().hex, user=user.id, expires_ms=made.expires_ms
        )
        with acting_as(user):
            current = await self.accounts.begin_session(session, revision=user.revision)
        if current is None:
            raise _wrong()
        return SignedIn(
            user=current, access_token=self.tokens.access(current), refresh_token=made.token
        )

    async def refresh(self, token: str) -> SignedIn:
        """The next pair of tokens; raises Unauthorised (INVALID_TOKEN)."""
        digest = self.tokens.refresh_digest(token)
        user = None
        made = self.tokens.refresh()
        if digest is not None:
            user = await self.accounts.renew_session(
                digest, successor=made.digest, expires_ms=made.expires_ms, now_ms=_now_ms()
            )
        if user is None:
            raise Unauthorised(
                "this refresh token is not valid: unknown, expired, used before or revoked; "
                "sign in again",
                code="INVALID_TOKEN",
            )
        return SignedIn(user=user, access_token=self.tokens.access(user), refresh_token=made.token)

    async def profile(self, caller: Principal) -> UserRecord:
        """Who is there; raises Forbidden for a key that stands for nobody, or for less."""
        if caller.user is None:
            raise Forbidden(
                "this key belongs to nobody; sign in to see a profile", code="FORBIDDEN"
            )
        user = await self.accounts.get_user(caller.tenant, caller.user)
        if not caller.scopes >= ROLES[user.role]:
            raise Forbidden("this key may do less than its owner, whose profile this is; sign in")
        return user

    async def rename(self, caller: Principal, *, name: str | None, email: str | None) -> UserRecord:
        """Another name; the e-mail may be repeated."""
        user = await self.profile(caller)
        if email is not None and email != user.email:
            raise InvalidRequest("email: it cannot be changed; leave it out")
        if name is None:
            return user
        return await self.accounts.rename_user(msgspec.structs.replace(user, name=name))

    async def change_password(self, caller: Principal, *, current: str, new: str) -> SignedIn:
        """Ends every session and begins another one; raises Unauthorised."""
        user = await self.profile(caller)
        self.limits.for_email(user.email)
        if not await self.passwords.verify(current, stored=user.password_hash):
            raise Unauthorised("current_password is wrong; nothing was changed")
        hashed = await self.passwords.hash(new)
        changed = await self.accounts.change_password(
            msgspec.structs.replace(user, password_hash=hashed, changed_ms=_now_ms())
        )
        self.limits.succeeded(user.email)
        await self.standings.tell(changed)
        return await self.begin(changed)


def new_user(
    email: str, *, name: str | None, tenant: str, role: str, password_hash: str
) -> UserRecord:
    """A person as of now."""
    now_ms = _now_ms()
    return UserRecord(
        id=uuid4().hex,
        tenant=tenant,
        email=email,
        name=name or email.partition("@")[0],
        role=role,
        password_hash=password_hash,
        created_ms=now_ms,
        changed_ms=now_ms,
    )


def _workspace(newcomer: Newcomer) -> WorkspaceRecord:
    """A slug that was not asked for by name is made unlike any other."""
    whose = newcomer.name or newcomer.email.partition("@")[0]
    title = newcomer.workspace_name or f"Workspace of {whose}"
    stem = _NOT_A_SLUG.sub("-", title.lower()).strip("-")[:48]
    made = f"{stem}-{secrets.token_hex(4)}".lstrip("-")
    return WorkspaceRecord(
        id=uuid4().hex, slug=newcomer.workspace_slug or made, title=title, created_ms=_now_ms()
    )


def _wrong() -> Unauthorised:
    return Unauthorised("e-mail and password do not belong together, or the account is inactive")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
