"""A workspace and who is in it."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from uuid import uuid4

import msgspec

from qbrix.errors import Forbidden, NotFound
from serving.proxy.experiments.records import is_id
from serving.proxy.people.principals import ROLES, Principal
from serving.proxy.people.sign_in import SignedIn, SignIn, new_user
from serving.proxy.people.standings import Standings
from serving.storage.audit import acting_as
from serving.storage.base import Accounts
from serving.storage.records_accounts import InviteRecord, UserRecord, WorkspaceRecord

__all__ = ["Members", "new_invite"]

replace = msgspec.structs.replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """What admins do with people; nobody gives, takes or touches more than they have."""

    accounts: Accounts
    sign_in: SignIn
    standings: Standings
    invite_s: float

    async def workspace(self, caller: Principal) -> WorkspaceRecord:
        """The caller's."""
        return await self.accounts.get_workspace(caller.tenant)

    async def change_workspace(
        self, caller: Principal, *, name: str | None, slug: str | None
    ) -> WorkspaceRecord:
        """Another name or slug; raises Conflict."""
        stored = await self.accounts.get_workspace(caller.tenant)
        wanted = replace(stored, title=name or stored.title, slug=slug or stored.slug)
        if wanted != stored:
            await self.accounts.change_workspace(wanted)
        return wanted

    async def users(self, caller: Principal, *, limit: int, offset: int) -> list[UserRecord]:
        """Newest first."""
        return await self.accounts.list_users(caller.tenant, limit=limit, offset=offset)

    async def change(
        self,
        caller: Principal,
        user_id: str,
        *,
        role: str | None = None,
        is_active: bool | None = None,
    ) -> UserRecord:
        """Another role or activity, known to every proxy at once; raises NotFound, Conflict."""
        if not is_id(user_id):
            raise NotFound("user", user_id)
        stored = await self.accounts.get_user(caller.tenant, user_id)
        wanted = replace(
            stored,
            role=role or stored.role,
            is_active=stored.is_active if is_active is None else is_active,
        )
        _refuse_more(caller, wanted.role, stored.role)
        if wanted == stored:
            return stored
        now_ms = time.time_ns() // 1_000_000
        changed = await self.accounts.change_user(replace(wanted, changed_ms=now_ms))
        await self.standings.tell(changed)
        return changed

    async def invite(self, caller: Principal, *, email: str, role: str) -> tuple[InviteRecord, str]:
        """The invite and its token, which is shown this once; raises Conflict."""
        _refuse_more(caller, role)
        record, token = new_invite(
            caller.tenant, email=email, role=role, by=caller.user, lifetime_s=self.invite_s
        )
        await self.accounts.create_invite(record)
        return record, token

    async def invites(self, caller: Principal, *, limit: int, offset: int) -> list[InviteRecord]:
        """Those that can be accepted, newest first."""
        now_ms = time.time_ns() // 1_000_000
        return await self.accounts.list_invites(
            caller.tenant, limit=limit, offset=offset, now_ms=now_ms
        )

    async def withdraw(self, caller: Principal, invite_id: str) -> None:
        """Raises NotFound."""
        if not is_id(invite_id):
            raise NotFound("invite", invite_id)
        await self.accounts.delete_invite(caller.tenant, invite_id)

    async def invited(self, token: str) -> tuple[InviteRecord, WorkspaceRecord]:
        """What a token invites to; raises NotFound."""
        now_ms = time.time_ns() // 1_000_000
        found = await self.accounts.find_invite(_digest(token), now_ms=now_ms)
        return found, await self.accounts.get_workspace(found.tenant)

    async def accept(self, token: str, *, name: str, password: str) -> SignedIn:
        """A new member, signed in; raises NotFound, Conflict."""
        invite, _ = await self.invited(token)
        user = new_user(
            invite.email,
            name=name,
            tenant=invite.tenant,
            role=invite.role,
            password_hash=await self.sign_in.passwords.hash(password),
        )
        with acting_as(user):
            await self.accounts.accept_invite(user, token_sha256=_digest(token))
        return await self.sign_in.begin(user)


def new_invite(
    tenant: str, *, email: str, role: str, by: str | None, lifetime_s: float
) -> tuple[InviteRecord, str]:
    """What is stored of an invite, and its token."""
    token = secrets.token_urlsafe(32)
    now_ms = time.time_ns() // 1_000_000
    record = InviteRecord(
        id=uuid4().hex,
        tenant=tenant,
        email=email,
        role=role,
        token_sha256=_digest(token),
        invited_by=by,
        created_ms=now_ms,
        expires_ms=now_ms + int(lifetime_s * 1000),
    )
    return record, token


def _refuse_more(caller: Principal, *roles: str) -> None:
    for role in roles:
        if missing := sorted(ROLES[role] - caller.scopes):
            raise Forbidden(
                f"this credential lacks {', '.join(missing)}, which the role {role} has; "
                "nobody can give or take more than they have"
            )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
