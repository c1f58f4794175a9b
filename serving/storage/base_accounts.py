"""The protocols of accounts and of the audit log."""

from __future__ import annotations

from typing import Protocol

from serving.storage.records_accounts import (
    AuditRecord,
    InviteRecord,
    SessionRecord,
    UserRecord,
    WorkspaceRecord,
)

__all__ = ["Accounts", "Audit"]


class Accounts(Protocol):
    """People, their workspaces and sessions. What takes a tenant is confined to it."""

    async def has_users(self) -> bool:
        """Whether anybody ever registered."""
        ...

    async def register(
        self, user: UserRecord, *, workspace: WorkspaceRecord, only_first: bool
    ) -> None:
        """A new workspace with its first user, in one transaction.

        Raises Forbidden (SIGNUP_CLOSED) when somebody is there and only the first may come,
        Conflict for the e-mail (USER_ALREADY_EXISTS) and for the slug.
        """
        ...

    async def find_user(self, email: str) -> UserRecord | None:
        """The person of that e-mail."""
        ...

    async def user(self, user_id: str) -> UserRecord | None:
        """The person, whatever the tenant."""
        ...

    async def get_user(self, tenant: str, user_id: str) -> UserRecord:
        """Raises NotFound (``user``)."""
        ...

    async def list_users(self, tenant: str, *, limit: int, offset: int) -> list[UserRecord]:
        """Newest first."""
        ...

    async def changed_users(self, *, since_ms: int) -> list[UserRecord]:
        """Everybody whose role, activity or password changed at this time or later."""
        ...

    async def rename_user(self, user: UserRecord) -> UserRecord:
        """Store the name. Raises NotFound."""
        ...

    async def change_user(self, user: UserRecord) -> UserRecord:
        """Store role and activity under the next revision; what ends an activity ends sessions.

        Raises NotFound, or Conflict (LAST_ADMIN) when the last active admin would go.
        """
        ...

    async def change_password(self, user: UserRecord) -> UserRecord:
        """Store the hash under the next revision and end every session. Raises NotFound."""
        ...

    async def get_workspace(self, tenant: str) -> WorkspaceRecord:
        """Raises NotFound (``workspace``)."""
        ...

    async def change_workspace(self, workspace: WorkspaceRecord) -> None:
        """Store title and slug. Raises NotFound, Conflict."""
        ...

    async def create_invite(self, invite: InviteRecord) -> None:
        """Takes the place of an earlier one to the same e-mail.

        Raises Conflict (USER_ALREADY_EXISTS).
        """
        ...

    async def list_invites(
        self, tenant: str, *, limit: int, offset: int, now_ms: int
    ) -> list[InviteRecord]:
        """Those that can be accepted, newest first."""
        ...

    async def find_invite(self, token_sha256: str, *, now_ms: int) -> InviteRecord:
        """Raises NotFound (``invite``) for one that ended."""
        ...

    async def delete_invite(self, tenant: str, invite_id: str) -> None:
        """Raises NotFound."""
        ...

    async def accept_invite(self, user: UserRecord, *, token_sha256: str) -> None:
        """A new user in the place of an invite, in one transaction. Raises NotFound, Conflict."""
        ...

    async def begin_session(self, session: SessionRecord, *, revision: int) -> UserRecord | None:
        """Store a refresh token for a user as of a revision.

        The user as it is now; None when it was switched off or changed its password meanwhile.
        """
        ...

    async def renew_session(
        self, token_sha256: str, *, successor: str, expires_ms: int, now_ms: int
    ) -> UserRecord | None:
        """Replace a refresh token, once: a used one ends its whole family.

        The user as it is now; None when the token is unknown, used, expired or its user inactive.
        """
        ...


class Audit(Protocol):
    """What was written, by whom; the stores themselves add to it (see `serving.storage.audit`)."""

    async def entries(self, tenant: str, *, limit: int, offset: int) -> list[AuditRecord]:
        """Newest first."""
        ...
