"""The experiments of a run: one for each way of deciding and of learning rewards."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from qbrix.bundle import SigningKey, export
from tests.bundle.sources import SHARES, importer

__all__ = ["WINDOW_S", "Experiment", "make_experiments", "signed_bundle"]

WINDOW_S = 1.0
FORCED = {"tier": "gold"}
_AGGREGATIONS = ("first", "sum", "max", "last")
_ARMS = ("a", "b", "c")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """What is sent to make one."""

    name: str
    policy: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    dim: int = 0
    forced_arm: int | None = None
    names: tuple[str, ...] = ("",)


KINDS = (
    _Kind(name="tuned", policy="BetaTSPolicy"),
    _Kind(
        name="gated",
        policy="EXP3Policy",
        more={
            "feature_gate": {
                "rules": [
                    {"key": key, "operator": "equals", "value": value, "arm_name": _ARMS[1]}
                    for key, value in FORCED.items()
                ]
            }
        },
        forced_arm=1,
    ),
    _Kind(name="growing", policy="LinUCBPolicy", parameters={"dim": 2}, dim=2),
    _Kind(name="windowed", policy="GaussianTSPolicy", names=("", "again")),
    _Kind(name="promoted", policy="BetaTSPolicy"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """What the clients know of an experiment.

    ``names`` are the feedback ids under which a decision is rewarded, ``forced_arm`` is the arm of
    those whom its gate singles out.
    """

    id: str
    kind: str
    pool: str
    dim: int
    forced_arm: int | None
    names: tuple[str, ...]


async def make_experiments(
    url: str, key: str, *, name: str, bundle: bytes
) -> dict[str, Experiment]:
    """One experiment of each kind, each on a pool of its own, by the name of its kind."""
    aggregation = _AGGREGATIONS[zlib.crc32(name.partition(" ")[0].encode()) % len(_AGGREGATIONS)]
    learning = {"window_s": WINDOW_S, "default_reward": 0.25, "aggregation": aggregation}
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=30.0) as http:

        async def make(kind: _Kind) -> Experiment:
            title = f"{name} {kind.name}"
            pool = await _made(http, "pools", name=title, arms=[{"name": arm} for arm in _ARMS])
            made = await _made(
                http,
                "experiments",
                name=title,
                pool_id=pool,
                policy=kind.policy,
                policy_params=kind.parameters,
                **({"learning": learning} if kind.name == "windowed" else kind.more),
            )
            if kind.name == "promoted":
                await _promote(http, made, bundle)
            return Experiment(
                id=made,
                kind=kind.name,
                pool=pool,
                dim=kind.dim,
                forced_arm=kind.forced_arm,
                names=kind.names,
            )

        made = await asyncio.gather(*map(make, KINDS))
    return {one.kind: one for one in made}


def signed_bundle(signing_key: Path) -> bytes:
    """A user's own policy for three arms, signed with this key."""
    with TemporaryDirectory() as folder:
        policy = importer(Path(folder))(SHARES)()
        path = Path(folder) / "shares.qbrix"
        return export(policy, path=path, arms=_ARMS, key=SigningKey.load(signing_key)).data


async def _promote(http: httpx.AsyncClient, experiment: str, bundle: bytes) -> None:
    headers = {"Content-Type": "application/zip"}
    path = f"/api/v1/experiments/{experiment}/promote"
    (await http.post(path, content=bundle, headers=headers)).raise_for_status()


async def _made(http: httpx.AsyncClient, what: str, **body: Any) -> str:
    answer = (await http.post(f"/api/v1/{what}", json=body)).raise_for_status()
    return str(answer.json()["id"])
