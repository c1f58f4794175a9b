"""From a configuration to code that may run here: fetched once, trusted, cached by digest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from qbrix.bundle import Bundle, BundleResolver, Certificate, TrustedKeys
from qbrix.errors import BundleError
from qbrix.ledger import Configuration, Resolver
from serving.limited import Limit, LimitedResolver

__all__ = ["PolicyLoader", "trusted_keys"]

_VERIFYING = 5.0  # times as long as a single call may take


class PolicyLoader:
    """Resolvers for configurations; no code of a bundle runs before its signature was checked."""

    def __init__(
        self,
        fetch_bundle: Callable[[str], Awaitable[bytes]],
        trusted: TrustedKeys,
        *,
        limit: Limit | None = None,
    ) -> None:
        self.limit = limit or Limit()
        self._fetch = fetch_bundle
        self._trusted = trusted
        self._bundles: dict[str, Bundle] = {}
        self._resolver = LimitedResolver(BundleResolver(self._bundles), self.limit)
        self._fetching: dict[str, asyncio.Lock] = {}

    async def resolver_for(self, configuration: Configuration) -> Resolver:
        """Finds the policy of ``configuration``.

        Raises NotFound or Unavailable when its bundle cannot be had, BundleError when it must not
        run here.
        """
        if configuration.policy.bundle is not None:
            await self.bundle(configuration.policy.bundle)
        return self._resolver

    async def bundle(self, sha256: str) -> Bundle:
        """The trusted bundle of this digest."""
        known = self._bundles.get(sha256)
        if known is not None:
            return known
        async with self._fetching.setdefault(sha256, asyncio.Lock()):
            if sha256 not in self._bundles:
                data = await self._fetch(sha256)
                self._bundles[sha256] = await asyncio.to_thread(self._admit, sha256, data)
        self._fetching.pop(sha256, None)
        return self._bundles[sha256]

    async def verify(self, bundle: Bundle) -> Certificate:
        """Replay the golden trace; raises BundleError when it differs or takes too long."""
        return await asyncio.to_thread(
            self.limit.call, bundle.sha256, bundle.verify, times=_VERIFYING
        )

    def _admit(self, sha256: str, data: bytes) -> Bundle:
        bundle = Bundle.from_bytes(data)
        if bundle.sha256 != sha256:
            raise BundleError(
                "digest", f"the store's bundle {sha256[:12]} has the SHA-256 {bundle.sha256[:12]}"
            )
        bundle.check_signature(self._trusted)
        self.limit.call(sha256, bundle.policy_class)
        return bundle


def trusted_keys(directory: Path | None) -> TrustedKeys:
    """The public keys of a directory; without one nobody is trusted."""
    return TrustedKeys() if directory is None else TrustedKeys.load(directory)
