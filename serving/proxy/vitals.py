"""How a proxy does: what it has in memory, how old that is, when the stores answered last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import TypedDict

from serving.proxy.agent.decisions import DecisionLog
from serving.proxy.agent.intake import FeedbackIntake
from serving.proxy.experiments.records import Records
from serving.proxy.people.auth import Authenticator
from serving.proxy.stale_cache import Ages
from serving.readiness import Pulses, Readiness
from serving.storage.base import Stores
from serving.telemetry import ProxyMetrics
from serving.telemetry.meters import Reading
from serving.wire.selection import Selector

__all__ = ["ReadyAnswer", "Vitals", "shown"]


class ReadyAnswer(TypedDict):
    """What ``/readyz`` tells; ages in seconds, None where there is nothing yet."""

    status: str
    feedback: str
    decisions_waiting: int
    states: Ages
    records: Ages
    credentials: Ages
    answered_s: Mapping[str, float | None]


def shown(readiness: Readiness) -> Readiness:
    """What everybody may know: no addresses, nobody's bundles."""
    states = readiness.facts["states"]
    ages = Ages(
        known=states.get("known", 0),
        youngest_s=states.get("youngest_s"),
        oldest_s=states.get("oldest_s"),
    )
    return Readiness(readiness.ready, {**readiness.facts, "states": ages})


class Vitals:
    """Asks stores and motor now and then, so that whoever asks us gets an answer at once."""

    def __init__(
        self,
        stores: Stores,
        *,
        selector: Selector,
        records: Records,
        auth: Authenticator,
        intake: FeedbackIntake,
        decisions: DecisionLog,
    ) -> None:
        pings = {"redis": stores.channel.ping, "postgres": stores.catalog.ping}
        self.pulses = Pulses({**pings, "motor": selector.ping})
        self._selector = selector
        self._records = records
        self._auth = auth
        self._intake = intake
        self._decisions = decisions

    def readiness(self, *, serving: bool) -> Readiness:
        """Ready while there is a state to serve, or somebody who could give one."""
        return Readiness(serving and self._has_state(), self._facts())

    def show(self, metrics: ProxyMetrics) -> None:
        """Read the ages at every look at the metrics."""

        def silences() -> Iterator[Reading]:
            ages = self.pulses.ages_s()
            return (((name,), age_s) for name, age_s in ages.items() if age_s is not None)

        metrics.watch_each(
            "qbrix_silence_seconds", "time since who is needed answered last", silences, "of"
        )
        metrics.watch(
            "qbrix_decisions_waiting", "decisions on their way", lambda: float(len(self._decisions))
        )
        metrics.watch_each(
            "qbrix_feedback_unread",
            "events in the streams that cortex has not learned yet",
            lambda: (((shard,), float(n)) for shard, n in self._intake.unread.items()),
            "shard",
        )
        metrics.watch(
            "qbrix_feedback_refused",
            "1 while feedback cannot be accepted",
            lambda: float(self._intake.refusal is not None),
        )

    def _has_state(self) -> bool:
        facts = self._selector.facts()
        if facts.get("known"):
            return True
        givers = ["redis", "postgres", *(["motor"] if "elsewhere" in facts else [])]
        return any(self.pulses.answers(name) for name in givers)

    def _facts(self) -> dict[str, Any]:
        return {
            "feedback": self._intake.refusal or "accepted",
            "decisions_waiting": len(self._decisions),
            "states": self._selector.facts(),
            "records": self._records.ages(),
            "credentials": self._auth.ages(),
            "answered_s": self.pulses.ages_s(),
        }
