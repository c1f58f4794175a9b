"""`Accounts` and `Audit` in memory."""

from __future__ import annotations

import msgspec

from qbrix.errors import Conflict, Forbidden, NotFound
from serving.storage.audit import audited
from serving.storage.memory.world import World
from serving.storage.records_accounts import (
    AuditRecord,
    InviteRecord,
    SessionRecord,
    UserRecord,
    WorkspaceRecord,
)

__all__ = ["MemoryAccounts", "MemoryAudit"]

replace = msgspec.structs.replace


class MemoryAccounts:
    """See `serving.storage.base_accounts.Accounts`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.audit_trail = world.audit

    async def has_users(self) -> bool:
        """See `Accounts`."""
        return bool(self._world.users)

    @audited("user.register")
    async def register(
        self, user: UserRecord, *, workspace: WorkspaceRecord, only_first: bool
    ) -> None:
        """See `Accounts`."""
        if only_first and self._world.users:
            raise Forbidden(
                "somebody has registered here; ask an admin for an invite", code="SIGNUP_CLOSED"
            )
        await self._refuse_email(user.email)
        if workspace.slug in self._world.tenants:
            raise _slug_taken(workspace.slug)
        self._world.tenants[workspace.slug] = workspace.id
        self._world.workspaces[workspace.id] = workspace
        self._world.users[user.id] = user

    async def find_user(self, email: str) -> UserRecord | None:
        """See `Accounts`."""
        return next((one for one in self._world.users.values() if one.email == email), None)

    async def user(self, user_id: str) -> UserRecord | None:
        """See `Accounts`."""
        return self._world.users.get(user_id)

    async def get_user(self, tenant: str, user_id: str) -> UserRecord:
        """See `Accounts`."""
        found = self._world.users.get(user_id)
        if found is None or found.tenant != tenant:
            raise NotFound("user", user_id)
        return found

    async def list_users(self, tenant: str, *, limit: int, offset: int) -> list[UserRecord]:
        """See `Accounts`."""
        own = [one for one in reversed(self._world.users.values()) if one.tenant == tenant]
        return own[offset : offset + limit]

    async def changed_users(self, *, since_ms: int) -> list[UserRecord]:
        """See `Accounts`."""
        users = self._world.users.values()
        return [one for one in users if one.changed_ms >= since_ms and one.revision]

    @audited("user.rename")
    async def rename_user(self, user: UserRecord) -> UserRecord:
        """See `Accounts`."""
        return self._store(replace(await self.get_user(user.tenant, user.id), name=user.name))

    @audited("user.change")
    async def change_user(self, user: UserRecord) -> UserRecord:
        """See `Accounts`."""
        stored = await self.get_user(user.tenant, user.id)
        others = [one for one in self._world.users.values() if one.id != user.id]
        if _has_admin([*others, stored], user.tenant) and not _has_admin(
            [*others, user], user.tenant
        ):
            raise Conflict(
                "this is the last active admin; make another one first", code="LAST_ADMIN"
            )
        if not user.is_active:
            self._end_sessions(user.id)
        return self._store(
            replace(
                stored,
                role=user.role,
                is_active=user.is_active,
                changed_ms=user.changed_ms,
                revision=stored.revision + 1,
            )
        )

    @audited("user.password")
    async def change_password(self, user: UserRecord) -> UserRecord:
        """See `Accounts`."""
        stored = await self.get_user(user.tenant, user.id)
        self._end_sessions(user.id)
        return self._store(
            replace(
                stored,
                password_hash=user.password_hash,
                changed_ms=user.changed_ms,
                revision=stored.revision + 1,
                sessions_from=stored.revision + 1,
            )
        )

    async def get_workspace(self, tenant: str) -> WorkspaceRecord:
        """See `Accounts`."""
        names = {tenant_id: name for name, tenant_id in self._world.tenants.items()}
        if tenant not in names:
            raise NotFound("workspace", tenant)
        name = names[tenant]
        unnamed = WorkspaceRecord(id=tenant, slug=name, title=name, created_ms=0)
        return self._world.workspaces.get(tenant, unnamed)

    @audited("workspace.change")
    async def change_workspace(self, workspace: WorkspaceRecord) -> None:
        """See `Accounts`."""
        stored = await self.get_workspace(workspace.id)
        if self._world.tenants.get(workspace.slug, workspace.id) != workspace.id:
            raise _slug_taken(workspace.slug)
        del self._world.tenants[stored.slug]
        self._world.tenants[workspace.slug] = workspace.id
        self._world.workspaces[workspace.id] = replace(
            stored, slug=workspace.slug, title=workspace.title
        )

    @audited("invite.create")
    async def create_invite(self, invite: InviteRecord) -> None:
        """See `Accounts`."""
        await self._refuse_email(invite.email)
        earlier = [
            one.id
            for one in self._world.invites.values()
            if (one.tenant, one.email) == (invite.tenant, invite.email)
        ]
        for invite_id in earlier:
            del self._world.invites[invite_id]
        self._world.invites[invite.id] = invite

    async def list_invites(
        self, tenant: str, *, limit: int, offset: int, now_ms: int
    ) -> list[InviteRecord]:
        """See `Accounts`."""
        own = [
            one
            for one in reversed(self._world.invites.values())
            if one.tenant == tenant and one.expires_ms > now_ms
        ]
        return own[offset : offset + limit]

    async def find_invite(self, token_sha256: str, *, now_ms: int) -> InviteRecord:
        """See `Accounts`."""
        for one in self._world.invites.values():
            if one.token_sha256 == token_sha256 and one.expires_ms > now_ms:
                return one
        raise NotFound("invite", "of this token")

    @audited("invite.delete")
    async def delete_invite(self, tenant: str, invite_id: str) -> None:
        """See `Accounts`."""
        found = self._world.invites.get(invite_id)
        if found is None or found.tenant != tenant:
            raise NotFound("invite", invite_id)
        del self._world.invites[invite_id]

    @audited("invite.accept")
    async def accept_invite(self, user: UserRecord, *, token_sha256: str) -> None:
        """See `Accounts`."""
        found = await self.find_invite(token_sha256, now_ms=user.created_ms)
        await self._refuse_email(user.email)
        del self._world.invites[found.id]
        self._world.users[user.id] = user

    @audited("session.begin")
    async def begin_session(self, session: SessionRecord, *, revision: int) -> UserRecord | None:
        """See `Accounts`."""
        user = self._world.users.get(session.user)
        if user is None or not user.is_active or user.sessions_from > revision:
            return None
        self._world.sessions[session.token_sha256] = session
        return user

    async def renew_session(
        self, token_sha256: str, *, successor: str, expires_ms: int, now_ms: int
    ) -> UserRecord | None:
        """See `Accounts`."""
        sessions = self._world.sessions
        found = sessions.get(token_sha256)
        if found is None:
            return None
        if token_sha256 in self._world.used_sessions:
            family = [one for one in sessions.values() if one.family == found.family]
            for one in family:
                del sessions[one.token_sha256]
            return None
        user = self._world.users[found.user]
        if found.expires_ms <= now_ms or not user.is_active:
            return None
        self._world.used_sessions.add(token_sha256)
        sessions[successor] = replace(found, token_sha256=successor, expires_ms=expires_ms)
        return user

    def _store(self, user: UserRecord) -> UserRecord:
        self._world.users[user.id] = user
        return user

    def _end_sessions(self, user_id: str) -> None:
        own = [one for one in self._world.sessions.values() if one.user == user_id]
        for session in own:
            del self._world.sessions[session.token_sha256]

    async def _refuse_email(self, email: str) -> None:
        if await self.find_user(email) is not None:
            raise Conflict(
                f"{email} has an account here; sign in instead", code="USER_ALREADY_EXISTS"
            )


class MemoryAudit:
    """See `serving.storage.base_accounts.Audit`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def entries(self, tenant: str, *, limit: int, offset: int) -> list[AuditRecord]:
        """See `Audit`."""
        own = [
            replace(one, id=number)
            for number, one in enumerate(self._world.audit, start=1)
            if one.tenant == tenant
        ]
        return own[::-1][offset : offset + limit]


def _has_admin(users: list[UserRecord], tenant: str) -> bool:
    return any(one.tenant == tenant and one.role == "admin" and one.is_active for one in users)


def _slug_taken(slug: str) -> Conflict:
    return Conflict(f"a workspace with the slug {slug!r} exists; choose another slug")
