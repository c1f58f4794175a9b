"""How often somebody may ask: counted in memory, a minute at a time.

Proxies tell each other twice a second what they counted of a key, so that a limit holds for all of
them together, give or take half a second; while nobody hears it, it holds for each.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Annotated
from uuid import uuid4

import msgspec
import structlog
from fastapi import Request

from qbrix.errors import RateLimited, Unavailable
from serving.proxy.people.principals import Principal
from serving.settings import ProxySettings
from serving.storage import keys
from serving.storage.base import Channel

__all__ = ["RateLimits", "SignInLimits", "Window", "address_of"]

_MINUTE_S = 60.0
_LIMIT = 100_000
_TELL_S = 0.5

_log = structlog.get_logger("proxy")


class Window:
    """Counts by name; a name's minute begins with its first request and the next one after it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_s: dict[str, float] = {}  # the oldest first: every minute is as long
        self._counts: dict[str, int] = {}

    def take(self, name: str, *, allowed: int) -> None:
        """Count one more; raises RateLimited when it is one too many."""
        now_s = self._clock()
        ends_s = self._ends_s.get(name)
        if ends_s is None or now_s >= ends_s:
            self._begin(name, now_s)
        elif self._counts[name] < allowed:
            self._counts[name] += 1
        else:
            raise RateLimited(
                f"more than {allowed} requests a minute; wait {ceil(ends_s - now_s)} s",
                retry_after_s=ends_s - now_s,
            )

    def add(self, name: str, count: int) -> None:
        """What was counted elsewhere."""
        now_s = self._clock()
        if now_s >= self._ends_s.get(name, now_s):
            self._begin(name, now_s)
            count -= 1
        self._counts[name] += count

    def forget(self, name: str) -> None:
        """Begin anew with the next request."""
        if self._ends_s.pop(name, None) is not None:
            del self._counts[name]

    def __len__(self) -> int:
        return len(self._ends_s)

    def _begin(self, name: str, now_s: float) -> None:
        self.forget(name)
        self._ends_s[name] = now_s + _MINUTE_S
        self._counts[name] = 1
        while len(self._ends_s) > 1:
            oldest = next(iter(self._ends_s))
            if self._ends_s[oldest] > now_s and len(self._ends_s) <= _LIMIT:
                break
            self.forget(oldest)


class _Counted(msgspec.Struct, frozen=True):
    """What a proxy tells the others."""

    proxy: str
    counts: dict[str, Annotated[int, msgspec.Meta(ge=1)]]


class RateLimits:
    """Of a key's selects and feedback; a key may have a limit of its own, 0 is none."""

    def __init__(
        self, settings: ProxySettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = settings.rate_limit_per_minute
        self._window = Window(clock=clock)
        self._own = uuid4().hex
        self._untold: Counter[str] = Counter()

    def allowed(self, own: int | None) -> int:
        """How many a minute, by a key's own limit; 0 is any number."""
        return self._per_minute if own is None else own

    def take(self, principal: Principal) -> None:
        """Count a request; raises RateLimited."""
        if allowed := self.allowed(principal.limit_per_minute):
            self._window.take(principal.name, allowed=allowed)
            self._untold[principal.name] += 1

    async def run(self, channel: Channel) -> None:
        """Tell the other proxies from time to time."""
        while True:
            await asyncio.sleep(_TELL_S)
            await self.tell(channel)

    async def tell(self, channel: Channel) -> None:
        """What was counted since the last time."""
        if not self._untold:
            return
        counted, self._untold = self._untold, Counter()
        said = _Counted(self._own, dict(counted))
        try:
            await channel.announce(keys.LIMITS, msgspec.json.encode(said).decode())
        except Unavailable as error:
            _log.warning("counts_not_told", error=str(error))

    def heard(self, payload: str) -> None:
        """What another proxy counted."""
        if not payload:
            return
        try:
            said = msgspec.json.decode(payload, type=_Counted)
        except msgspec.DecodeError as error:  # a proxy of another version
            _log.warning("counts_not_understood", error=str(error))
            return
        if said.proxy != self._own:
            for name, count in said.counts.items():
                self._window.add(name, count)


class SignInLimits:
    """Of what costs a password's hash or tries one: by address and by e-mail."""

    def __init__(
        self, settings: ProxySettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_address = settings.sign_ins_per_address
        self._per_email = settings.sign_ins_per_email
        self._hops = settings.forwarded_hops
        self._addresses = Window(clock=clock)
        self._emails = Window(clock=clock)

    def from_address(self, request: Request) -> None:
        """Count a request of this route and address; raises RateLimited."""
        if self._per_address:
            name = f"{request.scope['route'].path} {address_of(request, hops=self._hops)}"
            self._addresses.take(name, allowed=self._per_address)

    def for_email(self, email: str) -> None:
        """Count a try; raises RateLimited."""
        if self._per_email:
            self._emails.take(email, allowed=self._per_email)

    def succeeded(self, email: str) -> None:
        """The tries so far were its owner's."""
        self._emails.forget(email)


def address_of(request: Request, *, hops: int) -> str:
    """Where a request comes from; with ``hops`` proxies of ours in front, what the first one saw.

    Of an IPv6 address the network: its owner has all the others too.
    """
    seen = request.client.host if request.client else ""
    if hops:
        through = [word.strip() for word in request.headers.get("x-forwarded-for", "").split(",")]
        seen = (through[-hops] if len(through) >= hops else "") or seen
    try:
        address = ip_address(seen)
    except ValueError:
        return seen[:64]
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return str(address)
