"""What became of users since their credentials were made: pushed, so that nobody has to ask.

An access token says who somebody was when it was made, and a key's owner is remembered with the
key. Whoever changes a user tells every proxy; what was missed is read from the catalog.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import msgspec
import structlog

from qbrix.errors import QbrixError, Unavailable
from serving.proxy.people.principals import ROLES, Principal
from serving.storage import keys
from serving.storage.base import Accounts, Channel
from serving.storage.records_accounts import UserRecord

__all__ = ["Mark", "Standings", "announce"]

_log = structlog.get_logger("proxy")

_LIMIT = 100_000
_SLACK_S = 60.0  # how far the clocks of two proxies may be apart


class Mark(msgspec.Struct, frozen=True):
    """A user as of a revision."""

    user: str
    revision: int
    role: str
    is_active: bool
    sessions_from: int


class Standings:
    """User → the newest mark, for those who changed."""

    def __init__(
        self, accounts: Accounts, channel: Channel, *, poll_s: float, lifetime_s: float
    ) -> None:
        self._accounts = accounts
        self._channel = channel
        self._poll_s = poll_s
        self._read_s = time.time() - lifetime_s  # a token made before has expired
        self._away = False
        self._marks: OrderedDict[str, Mark] = OrderedDict()

    def applied(self, principal: Principal) -> Principal | None:
        """The principal as its user stands now; None when the credential has ended."""
        mark = self._marks.get(principal.user or "")
        if mark is None or mark.revision <= principal.revision:
            return principal
        if not mark.is_active or (principal.signed_in and principal.revision < mark.sessions_from):
            return None
        may = ROLES.get(mark.role, frozenset())
        scopes = may if principal.granted is None else may & principal.granted
        return msgspec.structs.replace(principal, scopes=scopes, revision=mark.revision)

    async def tell(self, user: UserRecord) -> None:
        """The user was changed here: everybody shall know."""
        self._put(_mark(user))
        await announce(self._channel, user)

    def heard(self, payload: str) -> None:
        """A user was changed elsewhere; what was missed or said strangely is read soon."""
        if not payload:
            return
        try:
            self._put(msgspec.json.decode(payload, type=Mark))
        except msgspec.DecodeError as error:  # a proxy of another version
            _log.warning("user_not_understood", error=str(error))

    async def run(self) -> None:
        """Read from time to time what the push may have missed."""
        while True:
            await self.read()
            await asyncio.sleep(self._poll_s)

    async def read(self) -> None:
        """Who changed since the last time, or within the lifetime of a token."""
        began_s = time.time()
        try:
            changed = await self._accounts.changed_users(
                since_ms=int((self._read_s - _SLACK_S) * 1000)
            )
        except QbrixError as error:
            if not self._away:
                _log.warning("users_not_read", error=str(error))
            self._away = True
            return
        self._read_s, self._away = began_s, False
        for user in changed:
            self._put(_mark(user))

    def _put(self, mark: Mark) -> None:
        known = self._marks.get(mark.user)
        if known is None or known.revision < mark.revision:
            self._marks[mark.user] = mark
            self._marks.move_to_end(mark.user)
            if len(self._marks) > _LIMIT:
                self._marks.popitem(last=False)


async def announce(channel: Channel, user: UserRecord) -> None:
    """Tell every proxy."""
    try:
        await channel.announce(keys.USERS, msgspec.json.encode(_mark(user)).decode())
    except Unavailable as error:  # they read it from the catalog soon
        _log.warning("user_not_announced", user=user.id, error=str(error))


def _mark(user: UserRecord) -> Mark:
    return Mark(user.id, user.revision, user.role, user.is_active, user.sessions_from)
