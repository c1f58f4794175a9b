"""Commands on people, for whoever owns the machine: a first invite, a forgotten password."""

from __future__ import annotations

import asyncio
import getpass
import sys
import time
from pathlib import Path

import msgspec

from qbrix.errors import InvalidParameter, NotFound
from serving.cli.attached import open_attached, settings_at, shared_settings
from serving.settings import ProxySettings

__all__ = ["invite", "set_password"]

_LEAST = 8


def invite(*, tenant: str, email: str, role: str, data_dir: Path | None) -> None:
    """Print the token of an invite to an existing workspace; it is shown this once."""
    print(asyncio.run(_invite(tenant, email=email, role=role, data_dir=data_dir)))


def set_password(*, email: str, data_dir: Path | None) -> None:
    """Ask for another password of a user, or read it from a pipe; every session ends."""
    piped = not sys.stdin.isatty()
    given = sys.stdin.readline().rstrip("\n") if piped else getpass.getpass("new password: ")
    if not _LEAST <= len(given) <= 1024:
        raise InvalidParameter(
            f"a password of {len(given)} characters; use {_LEAST} or more, at most 1024"
        )
    asyncio.run(_set_password(email.strip().lower(), given, data_dir=data_dir))
    print("the password was changed; all sessions ended")


async def _invite(tenant: str, *, email: str, role: str, data_dir: Path | None) -> str:
    from serving.proxy.people.bodies import plain_email
    from serving.proxy.people.members import new_invite
    from serving.storage.audit import Actor, acting

    try:
        address = plain_email(email)
    except ValueError as error:
        raise InvalidParameter(f"email = {email!r}: {error}") from None
    lifetime_s = settings_at(ProxySettings, data_dir).invite_s
    async with open_attached(shared_settings(data_dir)) as stores:
        owner = await stores.catalog.find_tenant(tenant)
        if owner is None:
            raise NotFound("workspace", tenant)
        record, token = new_invite(owner, email=address, role=role, by=None, lifetime_s=lifetime_s)
        with acting(Actor(tenant=owner)):
            await stores.accounts.create_invite(record)
    return token


async def _set_password(email: str, password: str, *, data_dir: Path | None) -> None:
    from serving.proxy.people.passwords import Passwords
    from serving.proxy.people.standings import announce
    from serving.storage.audit import Actor, acting

    passwords = Passwords(settings_at(ProxySettings, data_dir))
    async with open_attached(shared_settings(data_dir)) as stores:
        user = await stores.accounts.find_user(email)
        if user is None:
            raise NotFound("user", email)
        wanted = msgspec.structs.replace(
            user,
            password_hash=await passwords.hash(password),
            changed_ms=time.time_ns() // 1_000_000,
        )
        with acting(Actor(tenant=user.tenant)):
            changed = await stores.accounts.change_password(wanted)
        await announce(stores.channel, changed)
