"""Code of a bundle: fetched once, never run before its signature was checked."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qbrix.bundle import Bundle, SigningKey, TrustedKeys
from qbrix.errors import BundleError, InvalidParameter, NotFound
from qbrix.ledger import Configuration, PolicyRef
from serving.loading import PolicyLoader, trusted_keys
from tests.cortex.conftest import KEY


class Shelf:
    """Gives bundles by digest and counts how often it is asked."""

    def __init__(self, *bundles: Bundle) -> None:
        self.data = {bundle.sha256: bundle.data for bundle in bundles}
        self.asked = 0

    async def fetch(self, sha256: str) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if sha256 not in self.data:
            raise NotFound("bundle", sha256)
        return self.data[sha256]


def _configuration(bundle: Bundle | None) -> Configuration:
    if bundle is None:
        return Configuration(policy=PolicyRef(name="BetaTSPolicy@1"), n_arms=3)
    entry = bundle.manifest.policy
    ref = PolicyRef(name=entry.id, parameters=entry.parameters, bundle=bundle.sha256)
    return Configuration(policy=ref, n_arms=3)


async def test_a_library_policy_needs_no_bundle() -> None:
    shelf = Shelf()
    configuration = _configuration(None)
    resolver = await PolicyLoader(shelf.fetch, TrustedKeys()).resolver_for(configuration)
    assert type(resolver.policy(configuration.policy)).__name__ == "BetaTSPolicy"
    assert shelf.asked == 0


async def test_a_bundle_is_fetched_once_for_all_who_ask(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    shelf = Shelf(own_bundle)
    loader = PolicyLoader(shelf.fetch, trusted)
    configuration = _configuration(own_bundle)
    resolvers = await asyncio.gather(*(loader.resolver_for(configuration) for _ in range(8)))
    assert shelf.asked == 1
    assert resolvers[0].policy(configuration.policy).parameters() == {"bonus": 2.0}


@pytest.mark.parametrize("key", [None, SigningKey(bytes(32))])
async def test_code_that_nobody_trusted_signed_does_not_run(
    key: SigningKey | None, folder: Path, trusted: TrustedKeys
) -> None:
    from qbrix.bundle import export
    from tests.bundle.sources import SHARES, importer

    text = SHARES + f"\n# a file of its own: {key}\n"
    strange = export(importer(folder)(text)(), path=folder / "strange.qbrix", arms=3, key=key)
    before = set(sys.modules)
    with pytest.raises(BundleError) as caught:
        await PolicyLoader(Shelf(strange).fetch, trusted).bundle(strange.sha256)
    assert caught.value.reason == ("unsigned" if key is None else "untrusted")
    assert not {name for name in set(sys.modules) - before if name.startswith("qbrix_bundle")}


async def test_a_store_that_gives_another_bundle_is_not_believed(
    own_bundle: Bundle, taught_bundle: Bundle, trusted: TrustedKeys
) -> None:
    shelf = Shelf(own_bundle)
    shelf.data[taught_bundle.sha256] = own_bundle.data
    with pytest.raises(BundleError, match="SHA-256"):
        await PolicyLoader(shelf.fetch, trusted).bundle(taught_bundle.sha256)


async def test_what_could_not_be_fetched_may_be_there_later(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    shelf = Shelf()
    loader = PolicyLoader(shelf.fetch, trusted)
    with pytest.raises(NotFound):
        await loader.resolver_for(_configuration(own_bundle))
    shelf.data[own_bundle.sha256] = own_bundle.data
    await loader.resolver_for(_configuration(own_bundle))


async def test_a_name_that_the_bundle_does_not_hold_is_refused(
    own_bundle: Bundle, trusted: TrustedKeys
) -> None:
    loader = PolicyLoader(Shelf(own_bundle).fetch, trusted)
    configuration = _configuration(own_bundle)
    resolver = await loader.resolver_for(configuration)
    with pytest.raises(BundleError, match="Shares@1"):
        resolver.policy(replace(configuration.policy, name="Other@1"))


def test_without_a_folder_nobody_is_trusted(tmp_path: Path) -> None:
    assert len(trusted_keys(None)) == 0
    TrustedKeys([KEY.public]).save(tmp_path / "mine.pub")
    assert list(trusted_keys(tmp_path)) == [KEY.key_id]
    with pytest.raises(InvalidParameter, match="no trusted keys"):
        trusted_keys(tmp_path / "missing")
