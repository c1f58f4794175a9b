"""The proxy as an object: built from settings and stores, started, drained."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

import structlog

from qbrix.bundle import TrustedKeys
from qbrix.errors import QbrixError
from serving.entropy import Entropy
from serving.loading import PolicyLoader
from serving.proxy.agent.decisions import DecisionLog
from serving.proxy.agent.encoding import RecentKeys
from serving.proxy.agent.intake import FeedbackIntake
from serving.proxy.agent.rewards import Rewards
from serving.proxy.agent.service import Agent
from serving.proxy.experiments.arms import Arms
from serving.proxy.experiments.controls import Controls
from serving.proxy.experiments.hyper_parameters import HyperParameters
from serving.proxy.experiments.insights import Insights
from serving.proxy.experiments.pools import Pools
from serving.proxy.experiments.promotion import Promotion
from serving.proxy.experiments.records import Records
from serving.proxy.experiments.service import Experiments
from serving.proxy.gates.service import Gates
from serving.proxy.http.hot import Doors
from serving.proxy.people.api_keys import ApiKeys
from serving.proxy.people.auth import Authenticator
from serving.proxy.people.rate_limits import RateLimits
from serving.proxy.people.service import People
from serving.proxy.vitals import Vitals
from serving.readiness import Readiness
from serving.settings import ProxySettings
from serving.storage import keys
from serving.storage.base import Stores
from serving.telemetry import ProxyMetrics
from serving.tokens import TokenSealer
from serving.wire.selection import Selector

__all__ = ["Gateway", "Trust"]

_log = structlog.get_logger("proxy")

Pulse: TypeAlias = Callable[[], Awaitable[None]]  # raises Unavailable when there is none

_KEY_USE_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What a proxy is told in confidence."""

    token_keys: list[bytes]
    bundle_keys: TrustedKeys
    jwt_keys: list[bytes]

    def __repr__(self) -> str:
        return (
            f"Trust({len(self.token_keys)} token keys, {len(self.jwt_keys)} sign-in keys, "
            f"{self.bundle_keys!r})"
        )


class Gateway:
    """Every service of the proxy, and the tasks that keep its memory fresh."""

    def __init__(
        self,
        settings: ProxySettings,
        stores: Stores,
        *,
        selector: Selector,
        loader: PolicyLoader,
        trust: Trust,
        shards: int,
        cortex_pulse: Pulse,
    ) -> None:
        catalog, channel = stores.catalog, stores.channel
        self.settings, self.stores, self.selector = settings, stores, selector
        self.metrics = ProxyMetrics()
        self.shards = shards
        self.people = People.build(settings, stores, jwt_keys=trust.jwt_keys)
        self.auth = Authenticator(
            catalog,
            stores.accounts,
            tokens=self.people.tokens,
            standings=self.people.standings,
            ttl_s=settings.key_ttl_s,
        )
        self.limits = RateLimits(settings)
        self.records = Records(catalog, ttl_s=settings.record_ttl_s)
        self.intake = FeedbackIntake(settings, stores.intake, self.metrics, shards=shards)
        self.decisions = DecisionLog(settings, stores.intake, self.metrics)
        sealer = TokenSealer(trust.token_keys, lifetime_s=settings.token_lifetime_s)
        self.agent = self._make_agent(sealer)
        self.rewards = self._make_rewards(sealer)
        self.pools = Pools(catalog=catalog)
        self.experiments = self._make_experiments(loader)
        self.insights = Insights(experiments=self.experiments, insight=stores.insight)
        self.gates = Gates(catalog=catalog, experiments=self.experiments)
        self.arms = Arms(catalog=catalog, pools=self.pools, experiments=self.experiments)
        self.promotion = self._make_promotion(trust)
        self.doors = self._make_doors()
        self.pulses: dict[str, Pulse] = {
            "redis": channel.ping,
            "motor": selector.ping,
            "cortex": cortex_pulse,
        }
        self.api_keys = ApiKeys(catalog=catalog, channel=channel, auth=self.auth)
        self.vitals = self._make_vitals()
        self.vitals.show(self.metrics)
        self.draining = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether traffic should come here."""
        return self.readiness().ready

    def readiness(self) -> Readiness:
        """Whether traffic should come here, and what there is to know beside it."""
        return self.vitals.readiness(serving=bool(self._tasks) and not self.draining)

    async def start(self) -> None:
        """Begin to listen, to write decisions and to watch the stores."""
        self.metrics.watch(
            "qbrix_feedback_kept",
            "acknowledged feedback not known to be in the ledger yet",
            lambda: float(self.intake.kept.events),
        )
        await asyncio.gather(self.intake.check(), self.vitals.pulses.look())
        for work in (
            self._listen(),
            self.decisions.run(),
            self.people.standings.run(),
            self.limits.run(self.stores.channel),
            self.intake.run(),
            self._note_use(),
            self.vitals.pulses.run(),
        ):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(_report)

    async def wait(self) -> None:
        """Until a task in the background ends, which none does by itself; raises what ended it."""
        following = asyncio.create_task(self.selector.wait())
        try:
            tasks = {*self._tasks, following}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            following.cancel()

    def drain(self) -> None:
        """Ask callers to go elsewhere; answers go on."""
        self.draining = True

    async def stop(self) -> None:
        """Write what was promised and let go; what takes longer than the drain time is given up."""
        self.draining = True
        ends_s = asyncio.get_running_loop().time() + self.settings.drain_s
        await _by(ends_s, self.intake.drain(), else_lost="feedback on its way")
        await _by(ends_s, self._end_tasks(), else_lost="tasks in the background")
        # Together, so that one store that hangs leaves the others their time.
        await asyncio.gather(
            _by(ends_s, self.decisions.flush(), else_lost=f"{len(self.decisions)} decisions"),
            _by(ends_s, self.auth.close(), else_lost="look-ups of credentials"),
            _by(ends_s, self.records.close(), else_lost="look-ups of experiments"),
        )
        self.people.passwords.close()

    async def _end_tasks(self) -> None:
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _make_agent(self, sealer: TokenSealer) -> Agent:
        return Agent(
            records=self.records,
            selector=self.selector,
            sealer=sealer,
            decisions=self.decisions,
            metrics=self.metrics,
            entropy=Entropy(),
        )

    def _make_rewards(self, sealer: TokenSealer) -> Rewards:
        return Rewards(
            records=self.records,
            sealer=sealer,
            intake=self.intake,
            metrics=self.metrics,
            acknowledged=RecentKeys(limit=self.settings.remembered_feedback),
        )

    def _make_vitals(self) -> Vitals:
        return Vitals(
            self.stores,
            selector=self.selector,
            records=self.records,
            auth=self.auth,
            intake=self.intake,
            decisions=self.decisions,
        )

    def _make_promotion(self, trust: Trust) -> Promotion:
        return Promotion(
            catalog=self.stores.catalog,
            ledger=self.stores.ledger,
            experiments=self.experiments,
            controls=self.experiments.controls,
            trusted=trust.bundle_keys,
            deadline_s=self.settings.promotion_deadline_s,
        )

    def _make_doors(self) -> Doors:
        return Doors(
            auth=self.auth,
            limits=self.limits,
            metrics=self.metrics,
            limit_bytes=self.settings.body_limit_bytes,
            draining=lambda: self.draining,
        )

    def _make_experiments(self, loader: PolicyLoader) -> Experiments:
        catalog, channel = self.stores.catalog, self.stores.channel
        return Experiments(
            catalog=catalog,
            channel=channel,
            pools=self.pools,
            records=self.records,
            controls=Controls(catalog=catalog, channel=channel),
            hyper_parameters=HyperParameters(loader=loader),
            shards=self.shards,
            control_wait_s=self.settings.control_wait_s,
            token_lifetime_s=self.settings.token_lifetime_s,
            decision_sampling=self.settings.decision_sampling,
        )

    async def _listen(self) -> None:
        heard = {
            keys.RECORDS: self.records.forget,
            keys.API_KEYS: self.auth.forget,
            keys.USERS: self.auth.user_changed,
            keys.LIMITS: self.limits.heard,
        }
        async for topic, payload in self.stores.channel.listen(*heard):
            heard[topic](payload)

    async def _note_use(self) -> None:
        while True:
            await asyncio.sleep(_KEY_USE_S)
            try:
                await self.auth.flush_used()
            except QbrixError as error:
                _log.warning("key_use_not_noted", error=str(error))


async def _by(ends_s: float, work: Coroutine[Any, Any, Any], *, else_lost: str) -> None:
    """Do it until then, or say what is given up; not even its cancellation is waited for."""
    doing = asyncio.create_task(work)
    await asyncio.wait({doing}, timeout=max(0.0, ends_s - asyncio.get_running_loop().time()))
    if doing.done():
        doing.result()
    else:
        doing.cancel()
        _log.warning("given_up", what=else_lost)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (failure := task.exception()) is not None:
        _log.error("background_task_died", error=repr(failure), exc_info=failure)
