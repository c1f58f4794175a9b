"""Experiments as a proxy and cortex would publish them, and a motor over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np

from qbrix.bundle import BundleResolver, TrustedKeys
from qbrix.ledger import Batch, Configuration, Control, Deployment, PolicyRef, Rows, fold, genesis
from serving.loading import PolicyLoader
from serving.motor.service import Motor
from serving.publishing import state_record
from serving.settings import MotorSettings
from serving.storage.base import StateRecord, Stores
from tests.waiting import PATIENCE_S

TENANT = "t" * 32
DRAW_KEY = bytes(range(32))


def deployed(policy: str = "KLUCBPolicy@1", *, n_arms: int = 3, dim: int = 0) -> Deployment:
    """Version 0 of a new experiment."""
    configuration = Configuration(policy=PolicyRef(name=policy), n_arms=n_arms, dim=dim)
    batch = Batch(
        epoch=0,
        version=0,
        control=Control(reason="create", configuration=configuration, start="init"),
    )
    return genesis(uuid4().hex, batch, BundleResolver())


def rewarded(deployment: Deployment, *rewards: float) -> Deployment:
    """The next version: arm 0, 1, … with these rewards."""
    n = len(rewards)
    zeros, ones = np.zeros(n), np.ones(n)
    whole = np.zeros(n, dtype=np.int64)
    rows = Rows(
        decision_ids=tuple(f"{deployment.version:016x}{index:016x}" for index in range(n)),
        feedback_ids=("",) * n,
        arms=np.arange(n),
        rewards=np.asarray(rewards, dtype=np.float64),
        u=zeros,
        low=zeros,
        propensities=ones,
        state_versions=whole,
        epochs=whole,
        dispositions=whole,
        decided_ms=whole,
        received_ms=whole,
    )
    batch = Batch(epoch=deployment.epoch, version=deployment.version + 1, rows=rows)
    return fold(deployment, batch, BundleResolver())


def record(deployment: Deployment, *, term: int = 1, tenant: str = TENANT) -> StateRecord:
    """As it is published."""
    return state_record(deployment, tenant=tenant, term=term, published_ms=0)


@asynccontextmanager
async def motor_over(stores: Stores, **settings: Any) -> AsyncIterator[Motor]:
    """A motor that follows state changes."""
    motor = Motor(
        MotorSettings(**{"load_deadline_s": PATIENCE_S, **settings}),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=PolicyLoader(stores.ledger.bundle, TrustedKeys()),
        draw_key=DRAW_KEY,
    )
    await motor.start()
    try:
        yield motor
    finally:
        await motor.stop()


def stores_with(stores: Stores, **others: Any) -> Stores:
    """The same stores with some of them exchanged."""
    return replace(stores, **others)
