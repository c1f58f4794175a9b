"""`Accounts` over Postgres: people and their workspaces."""

from __future__ import annotations

import asyncpg
import msgspec
from asyncpg import Record

from qbrix.errors import Conflict, Forbidden, NotFound
from serving.storage.audit import audited
from serving.storage.postgres.database import Connection, Database
from serving.storage.postgres.sessions import PostgresSessions
from serving.storage.postgres.tables import invite, user, workspace
from serving.storage.records_accounts import InviteRecord, UserRecord, WorkspaceRecord

__all__ = ["PostgresAccounts"]

_REGISTER_LOCK = "SELECT pg_advisory_xact_lock(hashtext('qbrix.register'))"


class PostgresAccounts(PostgresSessions):
    """See `serving.storage.base_accounts.Accounts`; sessions are in the base class."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    async def has_users(self) -> bool:
        """See `Accounts`."""
        return bool(await self._database.fetch("SELECT 1 FROM users LIMIT 1"))

    @audited("user.register")
    async def register(
        self, user: UserRecord, *, workspace: WorkspaceRecord, only_first: bool
    ) -> None:
        """See `Accounts`."""
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_REGISTER_LOCK)
                if only_first and await connection.fetchval("SELECT EXISTS (SELECT FROM users)"):
                    raise Forbidden(
                        "somebody has registered here; ask an admin for an invite",
                        code="SIGNUP_CLOSED",
                    )
                await connection.execute(
                    "INSERT INTO tenants (id, name, title, created_ms) VALUES ($1, $2, $3, $4)",
                    workspace.id,
                    workspace.slug,
                    workspace.title,
                    workspace.created_ms,
                )
                await _insert(connection, user)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error, email=user.email, slug=workspace.slug) from None

    async def find_user(self, email: str) -> UserRecord | None:
        """See `Accounts`."""
        row = await self._database.row("SELECT * FROM users WHERE email = $1", email)
        return None if row is None else user(row)

    async def user(self, user_id: str) -> UserRecord | None:
        """See `Accounts`."""
        row = await self._database.row("SELECT * FROM users WHERE id = $1", user_id)
        return None if row is None else user(row)

    async def get_user(self, tenant: str, user_id: str) -> UserRecord:
        """See `Accounts`."""
        row = await self._database.row(
            "SELECT * FROM users WHERE id = $1 AND tenant = $2", user_id, tenant
        )
        return user(_found(row, "user", user_id))

    async def list_users(self, tenant: str, *, limit: int, offset: int) -> list[UserRecord]:
        """See `Accounts`."""
        rows = await self._database.fetch(
            "SELECT * FROM users WHERE tenant = $1 ORDER BY place DESC LIMIT $2 OFFSET $3",
            tenant,
            limit,
            offset,
        )
        return [user(row) for row in rows]

    async def changed_users(self, *, since_ms: int) -> list[UserRecord]:
        """See `Accounts`."""
        rows = await self._database.fetch(
            "SELECT * FROM users WHERE changed_ms >= $1 AND revision > 0", since_ms
        )
        return [user(row) for row in rows]

    @audited("user.rename")
    async def rename_user(self, user: UserRecord) -> UserRecord:
        """See `Accounts`."""
        rows = await self._database.write(
            "UPDATE users SET name = $3 WHERE id = $1 AND tenant = $2 RETURNING *",
            user.id,
            user.tenant,
            user.name,
        )
        return _user(rows, user.id)

    @audited("user.change")
    async def change_user(self, user: UserRecord) -> UserRecord:
        """See `Accounts`."""
        async with self._database.transaction() as connection:
            # Two admins who switch each other off wait for one another here.
            await connection.execute("SELECT id FROM tenants WHERE id = $1 FOR UPDATE", user.tenant)
            had_admin = await _has_admin(connection, user.tenant)
            rows = await connection.fetch(
                "UPDATE users SET role = $3, is_active = $4, changed_ms = $5,"
                " revision = revision + 1"
                " WHERE id = $1 AND tenant = $2 RETURNING *",
                user.id,
                user.tenant,
                user.role,
                user.is_active,
                user.changed_ms,
            )
            changed = _user(rows, user.id)
            if had_admin and not await _has_admin(connection, user.tenant):
                raise Conflict(
                    "this is the last active admin; make another one first", code="LAST_ADMIN"
                )
            if not user.is_active:
                await connection.execute("DELETE FROM sessions WHERE user_id = $1", user.id)
            return changed

    @audited("user.password")
    async def change_password(self, user: UserRecord) -> UserRecord:
        """See `Accounts`."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "UPDATE users SET password_hash = $3, changed_ms = $4, revision = revision + 1,"
                " sessions_from = revision + 1 WHERE id = $1 AND tenant = $2 RETURNING *",
                user.id,
                user.tenant,
                user.password_hash,
                user.changed_ms,
            )
            await connection.execute("DELETE FROM sessions WHERE user_id = $1", user.id)
            return _user(rows, user.id)

    async def get_workspace(self, tenant: str) -> WorkspaceRecord:
        """See `Accounts`."""
        row = await self._database.row("SELECT * FROM tenants WHERE id = $1", tenant)
        return workspace(_found(row, "workspace", tenant))

    @audited("workspace.change")
    async def change_workspace(self, workspace: WorkspaceRecord) -> None:
        """See `Accounts`."""
        try:
            rows = await self._database.write(
                "UPDATE tenants SET name = $2, title = $3 WHERE id = $1 RETURNING id",
                workspace.id,
                workspace.slug,
                workspace.title,
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(error, email="", slug=workspace.slug) from None
        if not rows:
            raise NotFound("workspace", workspace.id)

    @audited("invite.create")
    async def create_invite(self, invite: InviteRecord) -> None:
        """See `Accounts`."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(
                "SELECT EXISTS (SELECT FROM users WHERE email = $1)", invite.email
            ):
                raise _user_exists(invite.email)
            await connection.execute(
                "DELETE FROM invites WHERE tenant = $1 AND email = $2", invite.tenant, invite.email
            )
            values = msgspec.structs.astuple(invite)
            await connection.execute(
                "INSERT INTO invites (id, tenant, email, role, token_sha256, invited_by,"
                " created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                " ON CONFLICT (tenant, email) DO NOTHING",
                *values,
            )

    async def list_invites(
        self, tenant: str, *, limit: int, offset: int, now_ms: int
    ) -> list[InviteRecord]:
        """See `Accounts`."""
        rows = await self._database.fetch(
            "SELECT * FROM invites WHERE tenant = $1 AND expires_ms > $4"
            " ORDER BY place DESC LIMIT $2 OFFSET $3",
            tenant,
            limit,
            offset,
            now_ms,
        )
        return [invite(row) for row in rows]

    async def find_invite(self, token_sha256: str, *, now_ms: int) -> InviteRecord:
        """See `Accounts`."""
        row = await self._database.row(
            "SELECT * FROM invites WHERE token_sha256 = $1 AND expires_ms > $2",
            token_sha256,
            now_ms,
        )
        return invite(_found(row, "invite", "of this token"))

    @audited("invite.delete")
    async def delete_invite(self, tenant: str, invite_id: str) -> None:
        """See `Accounts`."""
        rows = await self._database.write(
            "DELETE FROM invites WHERE id = $1 AND tenant = $2 RETURNING id", invite_id, tenant
        )
        if not rows:
            raise NotFound("invite", invite_id)

    @audited("invite.accept")
    async def accept_invite(self, user: UserRecord, *, token_sha256: str) -> None:
        """See `Accounts`."""
        try:
            async with self._database.transaction() as connection:
                taken = await connection.fetchval(
                    "DELETE FROM invites WHERE token_sha256 = $1 AND expires_ms > $2 RETURNING id",
                    token_sha256,
                    user.created_ms,
                )
                if taken is None:
                    raise NotFound("invite", "of this token")
                await _insert(connection, user)
        except asyncpg.UniqueViolationError:
            raise _user_exists(user.email) from None


async def _has_admin(connection: Connection, tenant: str) -> bool:
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM users WHERE tenant = $1 AND role = 'admin' AND is_active)",
        tenant,
    )
    return found


async def _insert(connection: Connection, user: UserRecord) -> None:
    await connection.execute(
        "INSERT INTO users (id, tenant, email, name, role, password_hash, created_ms, changed_ms,"
        " is_active, email_verified, revision, sessions_from)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        *msgspec.structs.astuple(user),
    )


def _user(rows: list[Record], user_id: str) -> UserRecord:
    return user(_found(rows[0] if rows else None, "user", user_id))


def _found(row: Record | None, kind: str, name: str) -> Record:
    if row is None:
        raise NotFound(kind, name)
    return row


def _taken(error: asyncpg.UniqueViolationError, *, email: str, slug: str) -> Conflict:
    if error.table_name == "users":
        return _user_exists(email)
    return Conflict(f"a workspace with the slug {slug!r} exists; choose another slug")


def _user_exists(email: str) -> Conflict:
    return Conflict(f"{email} has an account here; sign in instead", code="USER_ALREADY_EXISTS")
