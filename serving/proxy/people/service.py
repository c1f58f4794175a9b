"""Everything about people, built from settings and stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.proxy.people.members import Members
from serving.proxy.people.passwords import Passwords
from serving.proxy.people.rate_limits import SignInLimits
from serving.proxy.people.sign_in import SignIn
from serving.proxy.people.signed_tokens import SignedTokens
from serving.proxy.people.standings import Standings
from serving.settings import ProxySettings
from serving.storage.base import Stores

__all__ = ["People"]


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """The services behind the account routes."""

    tokens: SignedTokens
    standings: Standings
    passwords: Passwords
    limits: SignInLimits
    sign_in: SignIn
    members: Members

    @classmethod
    def build(cls, settings: ProxySettings, stores: Stores, *, jwt_keys: Sequence[bytes]) -> People:
        """One of each."""
        tokens = SignedTokens(
            jwt_keys, access_s=settings.access_token_s, refresh_s=settings.refresh_token_s
        )
        standings = Standings(
            stores.accounts,
            stores.channel,
            poll_s=settings.user_poll_s,
            lifetime_s=settings.access_token_s,
        )
        passwords, limits = Passwords(settings), SignInLimits(settings)
        sign_in = SignIn(
            accounts=stores.accounts,
            passwords=passwords,
            tokens=tokens,
            standings=standings,
            limits=limits,
            mode=settings.signup,
        )
        members = Members(
            accounts=stores.accounts,
            sign_in=sign_in,
            standings=standings,
            invite_s=settings.invite_s,
        )
        return cls(
            tokens=tokens,
            standings=standings,
            passwords=passwords,
            limits=limits,
            sign_in=sign_in,
            members=members,
        )
