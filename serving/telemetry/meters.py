"""Meters that cost an addition where they count, and do their work when somebody looks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

import qbrix

__all__ = ["LATENCY_S", "SIZES", "Gauge", "Meters", "Reading", "Spread", "Tally"]

LATENCY_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)

Reading: TypeAlias = tuple[tuple[str | int, ...], float]
"""Labels and what is read under them."""


class Tally(Collector):
    """A counter by labels: ``add`` is one dictionary addition."""

    def __init__(self, name: str, *, help: str, labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._labels = name, help, labels
        self._counts: defaultdict[tuple[str | int, ...], int] = defaultdict(int)
        if not labels:
            self._counts[()] = 0  # what never happened is zero, not unknown

    def add(self, *labels: str | int) -> None:
        """Count one more."""
        self._counts[labels] += 1

    def add_many(self, count: int, *labels: str | int) -> None:
        """Count as many more."""
        self._counts[labels] += count

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

    def __init__(self, name: str, *, help: str, bounds: Sequence[float] = LATENCY_S) -> None:
        self._name, self._help, self._bounds = name, help, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def observe_all(self, values: Iterable[float]) -> None:
        """Count many values, of which most are equal to others."""
        for value, count in Counter(values).items():
            self._counts[bisect_left(self._bounds, value)] += count
            self._sum += value * count

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

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
    """Values that are asked for when somebody looks; ``grows`` tells that they never fall."""

    def __init__(
        self,
        name: str,
        *,
        help: str,
        read: Callable[[], Iterable[Reading]],
        labels: Sequence[str] = (),
        grows: bool = False,
    ) -> None:
        self._name, self._help, self._read, self._labels = name, help, read, labels
        self._family = CounterMetricFamily if grows else GaugeMetricFamily

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        family = self._family(self._name, self._help, labels=self._labels)
        for labels, value in self._read():
            family.add_metric([str(label) for label in labels], value)
        yield family


class Meters:
    """The meters of one role: two roles in a process, or a hundred in a test run, never meet.

    ``private`` ones name tenants' experiments or machines: they are not for a public port.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._private = CollectorRegistry(auto_describe=False)
        self._others: list[Meters] = []

    def tally(self, name: str, help: str, *labels: str, private: bool = False) -> Tally:
        """A new counter."""
        made = Tally(name, help=help, labels=labels)
        (self._private if private else self._registry).register(made)
        return made

    def spread(self, name: str, help: str, *, bounds: Sequence[float] = LATENCY_S) -> Spread:
        """A new histogram."""
        made = Spread(name, help=help, bounds=bounds)
        self._registry.register(made)
        return made

    def watch(
        self, name: str, help: str, read: Callable[[], float], *, grows: bool = False
    ) -> None:
        """Show a value that is read at every look."""
        self.watch_each(name, help, lambda: [((), read())], grows=grows)

    def watch_each(
        self,
        name: str,
        help: str,
        read: Callable[[], Iterable[Reading]],
        *labels: str,
        grows: bool = False,
        private: bool = False,
    ) -> None:
        """Show values by labels that are read at every look."""
        made = Gauge(name, help=help, read=read, labels=labels, grows=grows)
        (self._private if private else self._registry).register(made)

    def tell_process(self, *, role: str) -> None:
        """Show which role and version this process is, and what it uses."""
        labels = (role, qbrix.__version__)
        self.watch_each(
            "qbrix_info", "role and version", lambda: [(labels, 1.0)], "role", "version"
        )
        ProcessCollector(registry=self._registry)

    def include(self, other: Meters) -> None:
        """Show another role's too, which lives in the same process."""
        self._others.append(other)

    def expose(self, *, public: bool = False) -> bytes:
        """The text that Prometheus reads."""
        own = generate_latest(self._registry)
        if not public:
            own += generate_latest(self._private)
        return own + b"".join(one.expose(public=public) for one in self._others)
