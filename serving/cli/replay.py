"""``qbrix replay``: is what serves what the ledger says, to the bit?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from qbrix.errors import InvalidParameter, NotFound
from serving.cli.attached import open_attached, shared_settings
from serving.loading import PolicyLoader, trusted_keys
from serving.replaying import Replayed
from serving.replaying import replay as fold_again
from serving.settings import SharedSettings
from serving.storage.base import ExperimentRecord, Stores
from serving.storage.rows import is_id

__all__ = ["replay", "replay_all"]


def replay(*, experiment: str, to: int | None, verify: bool, data_dir: Path | None) -> int:
    """Fold an experiment from zero and tell how far it holds; 1 when something does not."""
    if to is not None and to < 0:
        raise InvalidParameter(f"--to {to}, expected a version: 0, 1, …")

    async def run() -> Replayed:
        shared = shared_settings(data_dir)
        async with open_attached(shared) as stores:
            loader = _loader(shared, stores)
            found = await _find(stores, experiment)
            return await fold_again(stores, loader, found, to=to, verify=verify)

    told = asyncio.run(run())
    print(_summary(told))
    for problem in told.problems:
        print(f"qbrix: {problem}", file=sys.stderr)
    return int(not told.holds)


async def replay_all(
    stores: Stores, shared: SharedSettings
) -> AsyncIterator[tuple[ExperimentRecord, Replayed]]:
    """Every live experiment, one after the other; raises Unavailable."""
    loader = _loader(shared, stores)
    for shard in range(await stores.ledger.shards()):
        for record in await stores.ledger.experiments(shard):
            yield record, await fold_again(stores, loader, record.id)


def _loader(shared: SharedSettings, stores: Stores) -> PolicyLoader:
    return PolicyLoader(stores.ledger.bundle, trusted_keys(shared.trusted_keys_dir))


async def _find(stores: Stores, experiment: str) -> str:
    """An id as it is, also that of a deleted experiment; a name when one workspace has it."""
    if is_id(experiment):
        return experiment
    found = [
        record.id
        for shard in range(await stores.ledger.shards())
        for record in await stores.ledger.experiments(shard)
        if record.name == experiment
    ]
    if not found:
        raise NotFound("experiment", experiment)
    if len(found) > 1:
        raise InvalidParameter(
            f"{len(found)} workspaces have an experiment {experiment!r}; name one of the ids "
            + ", ".join(sorted(found))
        )
    return found[0]


def _summary(told: Replayed) -> str:
    start = "zero" if told.since is None else f"version {told.since}"
    lines = [
        f"experiment {told.experiment}",
        f"  {told.versions} versions folded from {start}"
        + (", each with the ledger digest of serving" if told.versions else ""),
        f"  {told.states} of them with the state of serving; {told.kept} states that serving keeps "
        f"compared, largest difference {told.max_state_error:.2g}",
        f"  ledger digest {told.ledger_digest}",
        f"  state digest  {told.state_digest}",
    ]
    if told.since is not None:
        lines.append(
            f"  verified from version {told.since} as serving keeps it: the ledger does not hold "
            "what was before, nor can logged decisions be computed anew"
        )
    if told.log is not None:
        lines += [f"  {line.strip()}" for line in repr(told.log).splitlines()[1:]]
    return "\n".join(lines)
