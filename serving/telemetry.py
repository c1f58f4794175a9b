"""Logs to stderr, and metrics that cost an addition on the hot path.

A role makes its own metrics object and registry: two roles in one process, or a hundred in one
test run, never meet.
"""

from __future__ import annotations

import logging
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from serving.settings import SharedSettings

__all__ = ["Gauge", "ProxyMetrics", "Spread", "Tally", "configure_logging"]

_LATENCY_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def configure_logging(settings: SharedSettings, *, role: str) -> None:
    """One line per event on stderr, as JSON or as text."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(role=role)
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, force=True)


class Tally(Collector):
    """A counter by labels: ``add`` is one dictionary addition."""

    def __init__(self, name: str, *, help: str, labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._labels = name, help, labels
        self._counts: defaultdict[tuple[str | int, ...], int] = defaultdict(int)

    def add(self, *labels: str | int) -> None:
        """Count one more."""
        self._counts[labels] += 1

    def total(self, *labels: str | int) -> int:
        """What was counted so far."""
        return self._counts.get(labels, 0)

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, count in list(self._counts.items()):
            family.add_metric([str(label) for label in labels], count)
        yield family


class Spread(Collector):
    """A histogram without labels: ``observe`` is one bisection and two additions."""

    def __init__(self, name: str, *, help: str, bounds: Sequence[float] = _LATENCY_S) -> None:
        self._name, self._help, self._bounds = name, help, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        cumulative, total = [], 0
        for bound, count in zip([*self._bounds, "+Inf"], self._counts, strict=True):
            total += count
            cumulative.append((str(bound), float(total)))
        family = HistogramMetricFamily(self._name, self._help)
        family.add_metric([], cumulative, self._sum)
        yield family


class Gauge(Collector):
    """A value that is asked for when somebody looks."""

    def __init__(self, name: str, *, help: str, read: Callable[[], float]) -> None:
        self._name, self._help, self._read = name, help, read

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        yield GaugeMetricFamily(self._name, self._help, value=self._read())


class ProxyMetrics:
    """What a proxy counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.requests = self._tally("qbrix_requests", "requests", "route", "status")
        self.decisions = self._tally("qbrix_decisions", "decisions", "source")
        self.feedback = self._tally("qbrix_feedback", "feedback", "result")
        self.gate_failures = self._tally(
            "qbrix_gate_failures", "gates that failed and gave the control arm"
        )
        self.dropped = self._tally("qbrix_decisions_dropped", "decisions that no log kept")
        self.select_s = self._spread("qbrix_select_seconds", "time of a select in the proxy")
        self.intake_group = self._spread("qbrix_intake_group", "events a write", bounds=_SIZES)
        self.state_age_s = self._spread("qbrix_state_age_seconds", "age of the deciding state")

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Show a value that is read at every scrape."""
        self.registry.register(Gauge(name, help=help, read=read))

    def expose(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

    def _tally(self, name: str, help: str, *labels: str) -> Tally:
        made = Tally(name, help=help, labels=labels)
        self.registry.register(made)
        return made

    def _spread(self, name: str, help: str, *, bounds: Sequence[float] = _LATENCY_S) -> Spread:
        made = Spread(name, help=help, bounds=bounds)
        self.registry.register(made)
        return made
