"""`Accounts` and `Audit`, over every backend."""

from __future__ import annotations

import asyncio
from itertools import count
from uuid import uuid4

import msgspec
import pytest

from qbrix.errors import Conflict, Forbidden, NotFound
from serving.storage.audit import Actor, acting
from serving.storage.base import Stores
from serving.storage.records_accounts import (
    InviteRecord,
    SessionRecord,
    UserRecord,
    WorkspaceRecord,
)
from tests.storage.records import make_key, make_pool

replace = msgspec.structs.replace
DAY_MS = 86_400_000
_times = count(1_790_000_000_000)


def make_user(email: str, *, tenant: str, role: str = "admin") -> UserRecord:
    """A person."""
    now_ms = next(_times)
    return UserRecord(
        id=uuid4().hex,
        tenant=tenant,
        email=email,
        name=email.partition("@")[0],
        role=role,
        password_hash="$argon2id$",
        created_ms=now_ms,
        changed_ms=now_ms,
    )


async def registered(
    stores: Stores, email: str = "ada@acme.io", *, slug: str = "acme", only_first: bool = False
) -> UserRecord:
    """The first user of a new workspace."""
    workspace = WorkspaceRecord(
        id=uuid4().hex, slug=slug, title=slug.title(), created_ms=next(_times)
    )
    user = make_user(email, tenant=workspace.id)
    await stores.accounts.register(user, workspace=workspace, only_first=only_first)
    return user


async def joined(
    stores: Stores, email: str, *, tenant: str, role: str = "admin", days: int = 3
) -> UserRecord:
    """Somebody who accepted an invite."""
    invite = make_invite(email, tenant=tenant, role=role, days=days)
    await stores.accounts.create_invite(invite)
    user = make_user(email, tenant=tenant, role=role)
    await stores.accounts.accept_invite(user, token_sha256=invite.token_sha256)
    return user


def make_invite(email: str, *, tenant: str, role: str = "member", days: int = 3) -> InviteRecord:
    """An invite that ends after so many days."""
    now_ms = next(_times)
    return InviteRecord(
        id=uuid4().hex,
        tenant=tenant,
        email=email,
        role=role,
        token_sha256=uuid4().hex * 2,
        invited_by=None,
        created_ms=now_ms,
        expires_ms=now_ms + days * DAY_MS,
    )


async def began(stores: Stores, user: UserRecord, *, family: str = "f") -> str:
    """The digest of a refresh token of a new session."""
    digest = uuid4().hex * 2
    session = SessionRecord(
        token_sha256=digest, family=family, user=user.id, expires_ms=next(_times) + DAY_MS
    )
    assert await stores.accounts.begin_session(session, revision=user.revision) is not None
    return digest


async def renewed(stores: Stores, digest: str, *, now_ms: int | None = None) -> str | None:
    """The digest of the next refresh token, if there is one."""
    successor = uuid4().hex * 2
    now_ms = now_ms or next(_times)
    user = await stores.accounts.renew_session(
        digest, successor=successor, expires_ms=now_ms + DAY_MS, now_ms=now_ms
    )
    return None if user is None else successor


async def test_who_registers_gets_a_workspace(stores: Stores) -> None:
    assert not await stores.accounts.has_users()
    user = await registered(stores)
    assert await stores.accounts.has_users()
    assert await stores.accounts.find_user("ada@acme.io") == user
    assert await stores.accounts.user(user.id) == user
    assert await stores.accounts.get_user(user.tenant, user.id) == user
    workspace = await stores.accounts.get_workspace(user.tenant)
    assert (workspace.slug, workspace.title) == ("acme", "Acme")
    assert await stores.catalog.find_tenant("acme") == user.tenant


async def test_only_the_first_may_come_however_many_come_at_once(stores: Stores) -> None:
    arrivals = [
        registered(stores, f"{name}@acme.io", slug=name, only_first=True) for name in "abcde"
    ]
    outcomes = await asyncio.gather(*arrivals, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, Forbidden)]
    assert len(refused) == len(arrivals) - 1
    assert {error.code for error in refused} == {"SIGNUP_CLOSED"}


async def test_an_email_and_a_slug_are_taken_once_and_a_refusal_leaves_nothing(
    stores: Stores,
) -> None:
    user = await registered(stores)
    with pytest.raises(Conflict) as taken:
        await registered(stores, slug="other")
    assert taken.value.code == "USER_ALREADY_EXISTS"
    assert await stores.catalog.find_tenant("other") is None
    with pytest.raises(Conflict, match="slug 'acme'"):
        await registered(stores, "bob@acme.io")
    assert await stores.accounts.find_user("bob@acme.io") is None
    assert await stores.accounts.list_users(user.tenant, limit=10, offset=0) == [user]


async def test_users_are_confined_to_their_tenant_and_listed_newest_first(stores: Stores) -> None:
    ada = await registered(stores)
    bob = await joined(stores, "bob@acme.io", tenant=ada.tenant, role="member")
    eve = await registered(stores, "eve@evil.io", slug="evil")
    assert await stores.accounts.list_users(ada.tenant, limit=10, offset=0) == [bob, ada]
    assert await stores.accounts.list_users(ada.tenant, limit=1, offset=1) == [ada]
    stolen = replace(bob, tenant=eve.tenant)
    for attempt in (
        stores.accounts.get_user(eve.tenant, bob.id),
        stores.accounts.rename_user(stolen),
        stores.accounts.change_user(stolen),
        stores.accounts.change_password(stolen),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await stores.accounts.user(bob.id) == bob


async def test_a_change_of_role_has_the_next_revision_and_is_found_by_its_time(
    stores: Stores,
) -> None:
    ada = await registered(stores)
    bob = await joined(stores, "bob@acme.io", tenant=ada.tenant, role="member")
    wanted = replace(bob, role="viewer", changed_ms=next(_times))
    changed = await stores.accounts.change_user(wanted)
    assert changed == replace(wanted, revision=1)
    assert await stores.accounts.changed_users(since_ms=wanted.changed_ms) == [changed]
    assert await stores.accounts.changed_users(since_ms=wanted.changed_ms + 1) == []
    renamed = await stores.accounts.rename_user(replace(changed, name="Robert", role="admin"))
    assert renamed == replace(changed, name="Robert")


async def test_the_last_active_admin_stays_one(stores: Stores) -> None:
    ada = await registered(stores)
    await joined(stores, "bob@acme.io", tenant=ada.tenant, role="member")
    for wanted in (replace(ada, role="member"), replace(ada, is_active=False)):
        with pytest.raises(Conflict) as refused:
            await stores.accounts.change_user(wanted)
        assert refused.value.code == "LAST_ADMIN"
    eve = await joined(stores, "eve@acme.io", tenant=ada.tenant)
    both = [
        stores.accounts.change_user(replace(ada, is_active=False)),
        stores.accounts.change_user(replace(eve, is_active=False)),
    ]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [isinstance(one, Conflict) for one in outcomes].count(True) == 1


async def test_where_there_never_was_an_admin_people_change_all_the_same(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("local")  # looked after by a key
    bob = await joined(stores, "bob@acme.io", tenant=tenant, role="member")
    changed = await stores.accounts.change_user(replace(bob, role="viewer"))
    assert changed.role == "viewer"


async def test_a_workspace_changes_its_title_and_its_slug(stores: Stores) -> None:
    ada = await registered(stores)
    await registered(stores, "eve@evil.io", slug="evil")
    workspace = await stores.accounts.get_workspace(ada.tenant)
    await stores.accounts.change_workspace(replace(workspace, slug="acme-2", title="Acme Two"))
    changed = await stores.accounts.get_workspace(ada.tenant)
    assert (changed.slug, changed.title) == ("acme-2", "Acme Two")
    with pytest.raises(Conflict, match="evil"):
        await stores.accounts.change_workspace(replace(workspace, slug="evil"))
    with pytest.raises(NotFound):
        await stores.accounts.get_workspace("nobody")


async def test_a_tenant_without_users_is_a_workspace_too(stores: Stores) -> None:
    tenant = await stores.catalog.create_tenant("local")
    workspace = await stores.accounts.get_workspace(tenant)
    assert (workspace.slug, workspace.title) == ("local", "local")
    await stores.accounts.change_workspace(replace(workspace, title="Ours"))
    assert (await stores.accounts.get_workspace(tenant)).title == "Ours"


async def test_an_invite_is_accepted_once_and_in_time(stores: Stores) -> None:
    ada = await registered(stores)
    invite = make_invite("bob@acme.io", tenant=ada.tenant)
    await stores.accounts.create_invite(invite)
    assert await stores.accounts.find_invite(invite.token_sha256, now_ms=next(_times)) == invite
    listed = await stores.accounts.list_invites(ada.tenant, limit=9, offset=0, now_ms=next(_times))
    assert listed == [invite]
    bob = make_user("bob@acme.io", tenant=ada.tenant, role="member")
    await stores.accounts.accept_invite(bob, token_sha256=invite.token_sha256)
    assert await stores.accounts.find_user("bob@acme.io") == bob
    again = make_user("bob2@acme.io", tenant=ada.tenant)
    with pytest.raises(NotFound):
        await stores.accounts.accept_invite(again, token_sha256=invite.token_sha256)
    late = make_invite("eve@acme.io", tenant=ada.tenant, days=0)
    await stores.accounts.create_invite(late)
    with pytest.raises(NotFound):
        await stores.accounts.find_invite(late.token_sha256, now_ms=next(_times))
    eve = make_user("eve@acme.io", tenant=ada.tenant)
    with pytest.raises(NotFound):
        await stores.accounts.accept_invite(eve, token_sha256=late.token_sha256)
    assert await stores.accounts.find_user("eve@acme.io") is None


async def test_a_second_invite_to_an_email_ends_the_first(stores: Stores) -> None:
    ada = await registered(stores)
    first, second = (make_invite("bob@acme.io", tenant=ada.tenant) for _ in range(2))
    await stores.accounts.create_invite(first)
    await stores.accounts.create_invite(second)
    now_ms = next(_times)
    listed = await stores.accounts.list_invites(ada.tenant, limit=9, offset=0, now_ms=now_ms)
    assert listed == [second]
    with pytest.raises(Conflict) as taken:
        await stores.accounts.create_invite(make_invite("ada@acme.io", tenant=ada.tenant))
    assert taken.value.code == "USER_ALREADY_EXISTS"


async def test_an_invite_is_deleted_by_its_own_tenant_only(stores: Stores) -> None:
    ada = await registered(stores)
    invite = make_invite("bob@acme.io", tenant=ada.tenant)
    await stores.accounts.create_invite(invite)
    with pytest.raises(NotFound):
        await stores.accounts.delete_invite("another", invite.id)
    await stores.accounts.delete_invite(ada.tenant, invite.id)
    with pytest.raises(NotFound):
        await stores.accounts.find_invite(invite.token_sha256, now_ms=next(_times))


async def test_a_refresh_token_is_good_once(stores: Stores) -> None:
    ada = await registered(stores)
    first = await began(stores, ada)
    second = await renewed(stores, first)
    assert second is not None
    third = await renewed(stores, second)
    assert third is not None
    assert await renewed(stores, uuid4().hex * 2) is None


async def test_a_used_refresh_token_ends_its_family_and_no_other(stores: Stores) -> None:
    ada = await registered(stores)
    stolen = await began(stores, ada)
    elsewhere = await began(stores, ada, family="g")
    heir = await renewed(stores, stolen)
    assert heir is not None
    assert await renewed(stores, stolen) is None
    assert await renewed(stores, heir) is None
    assert await renewed(stores, elsewhere) is not None


async def test_of_many_renewals_at_once_one_succeeds_and_the_family_ends(stores: Stores) -> None:
    ada = await registered(stores)
    token = await began(stores, ada)
    heirs = [
        one for one in await asyncio.gather(*(renewed(stores, token) for _ in range(5))) if one
    ]
    assert len(heirs) == 1
    assert await renewed(stores, heirs[0]) is None


async def test_an_old_refresh_token_is_not_renewed(stores: Stores) -> None:
    ada = await registered(stores)
    token = await began(stores, ada)
    assert await renewed(stores, token, now_ms=next(_times) + 2 * DAY_MS) is None


async def test_a_new_password_ends_every_session_and_those_about_to_begin(stores: Stores) -> None:
    ada = await registered(stores)
    token = await began(stores, ada)
    wanted = replace(ada, password_hash="another", changed_ms=next(_times))
    changed = await stores.accounts.change_password(wanted)
    assert changed == replace(wanted, revision=1, sessions_from=1)
    assert await renewed(stores, token) is None
    session = SessionRecord(token_sha256="x", family="f", user=ada.id, expires_ms=next(_times))
    assert await stores.accounts.begin_session(session, revision=0) is None
    assert await stores.accounts.begin_session(session, revision=1) == changed


async def test_who_is_switched_off_has_no_session(stores: Stores) -> None:
    ada = await registered(stores)
    bob = await joined(stores, "bob@acme.io", tenant=ada.tenant)
    token = await began(stores, bob)
    off = await stores.accounts.change_user(replace(bob, is_active=False))
    assert await renewed(stores, token) is None
    session = SessionRecord(token_sha256="x", family="f", user=bob.id, expires_ms=next(_times))
    assert await stores.accounts.begin_session(session, revision=off.revision) is None


async def test_every_write_is_noted_with_who_and_which(stores: Stores) -> None:
    ada = await registered(stores)
    actor = Actor(tenant=ada.tenant, user=ada.id, key="k", request_id="r")
    pool = make_pool(tenant=ada.tenant)
    key = make_key(tenant=ada.tenant)
    with acting(actor):
        await stores.catalog.create_pool(pool)
        renamed = replace(pool, name="other")
        await stores.catalog.change_pool(renamed, before=pool, change=None)
        await stores.catalog.put_api_key(key)
        await stores.accounts.change_user(replace(ada, changed_ms=next(_times)))
        await stores.catalog.delete_pool(ada.tenant, pool.id)
    await stores.catalog.delete_api_key(ada.tenant, key.id)  # nobody's doing
    entries = await stores.audit.entries(ada.tenant, limit=10, offset=0)
    assert [(one.action, one.subject) for one in reversed(entries)] == [
        ("pool.create", pool.id),
        ("pool.change", pool.id),
        ("api_key.create", key.id),
        ("user.change", ada.id),
        ("pool.delete", pool.id),
    ]
    assert {(one.user, one.key, one.request_id) for one in entries} == {(ada.id, "k", "r")}
    assert len({one.id for one in entries}) == 5
    assert await stores.audit.entries("another", limit=10, offset=0) == []
    assert await stores.audit.entries(ada.tenant, limit=2, offset=1) == entries[1:3]


async def test_what_was_refused_is_not_noted(stores: Stores) -> None:
    ada = await registered(stores)
    pool = make_pool(tenant=ada.tenant)
    await stores.catalog.create_pool(pool)
    with acting(Actor(tenant=ada.tenant)):
        with pytest.raises(Conflict):
            await stores.catalog.create_pool(make_pool(tenant=ada.tenant))
        with pytest.raises(NotFound):
            await stores.catalog.delete_api_key(ada.tenant, uuid4().hex)
        with pytest.raises(Conflict):
            await stores.accounts.change_user(replace(ada, role="viewer"))
    assert await stores.audit.entries(ada.tenant, limit=10, offset=0) == []
