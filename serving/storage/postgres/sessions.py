"""Sessions and the audit log over Postgres."""

from __future__ import annotations

from serving.storage.audit import audited
from serving.storage.postgres.database import Connection, Database
from serving.storage.postgres.tables import audit_entry, user
from serving.storage.records_accounts import AuditRecord, SessionRecord, UserRecord

__all__ = ["PostgresAudit", "PostgresSessions"]


class PostgresSessions:
    """The part of `serving.storage.base_accounts.Accounts` that concerns sessions.

    Whatever begins, renews or ends a session holds the lock of its user's row, so that none of
    them slips past another.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @audited("session.begin")
    async def begin_session(self, session: SessionRecord, *, revision: int) -> UserRecord | None:
        """See `Accounts`."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM users WHERE id = $1 AND is_active AND sessions_from <= $2"
                " FOR NO KEY UPDATE",
                session.user,
                revision,
            )
            if row is None:
                return None
            await _insert(connection, session)
            return user(row)

    async def renew_session(
        self, token_sha256: str, *, successor: str, expires_ms: int, now_ms: int
    ) -> UserRecord | None:
        """See `Accounts`."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT users.* FROM users JOIN sessions ON user_id = users.id"
                " WHERE token_sha256 = $1 FOR NO KEY UPDATE OF users",
                token_sha256,
            )
            # Read again: what this transaction waited for may have used or ended the token.
            found = await connection.fetchrow(
                "SELECT * FROM sessions WHERE token_sha256 = $1", token_sha256
            )
            if row is None or found is None:
                return None
            if found["used"]:
                await connection.execute("DELETE FROM sessions WHERE family = $1", found["family"])
                return None
            if found["expires_ms"] <= now_ms or not row["is_active"]:
                return None
            await connection.execute(
                "UPDATE sessions SET used = true WHERE token_sha256 = $1", token_sha256
            )
            await connection.execute(
                "DELETE FROM sessions WHERE user_id = $1 AND expires_ms <= $2", row["id"], now_ms
            )
            await _insert(
                connection,
                SessionRecord(
                    token_sha256=successor,
                    family=found["family"],
                    user=row["id"],
                    expires_ms=expires_ms,
                ),
            )
            return user(row)


class PostgresAudit:
    """See `serving.storage.base_accounts.Audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(self, tenant: str, *, limit: int, offset: int) -> list[AuditRecord]:
        """See `Audit`."""
        rows = await self._database.fetch(
            "SELECT * FROM audit WHERE tenant = $1 ORDER BY id DESC LIMIT $2 OFFSET $3",
            tenant,
            limit,
            offset,
        )
        return [audit_entry(row) for row in rows]


async def _insert(connection: Connection, session: SessionRecord) -> None:
    await connection.execute(
        "INSERT INTO sessions (token_sha256, family, user_id, expires_ms) VALUES ($1, $2, $3, $4)",
        session.token_sha256,
        session.family,
        session.user,
        session.expires_ms,
    )
