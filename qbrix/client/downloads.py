"""What production did, fetched page by page: ledger, decisions, bundles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from qbrix.bundle import Bundle, BundleResolver, TrustedKeys
from qbrix.client.answers import Experiment, read_batch, read_decision
from qbrix.client.transport import Transport
from qbrix.errors import BundleError, InvalidParameter
from qbrix.evaluation import Decisions, LoggedBatch, LoggedData, LoggedDecision
from qbrix.ledger import Configuration

__all__ = ["Downloads", "check_moment", "until"]

_BATCHES = 500
_DECISIONS = 5000


class Downloads:
    """The pages behind a client's logs; a bundle is fetched once and, where asked, checked."""

    def __init__(self, transport: Transport, trusted: TrustedKeys | None) -> None:
        self._transport = transport
        self._trusted = trusted
        self._bundles: dict[str, Bundle] = {}
        self.resolver = BundleResolver(self._bundles)

    def keep(self, bundle: Bundle) -> None:
        """This one is here already."""
        self._bundles[bundle.sha256] = bundle

    def bundles(self, configurations: Sequence[Configuration]) -> dict[str, Bundle]:
        """The bundles that these configurations refer to; each is downloaded once."""
        names = {one.policy.bundle for one in configurations} - {None}
        for name in names - self._bundles.keys():
            bundle = Bundle.from_bytes(self._transport.get_bytes(f"/bundles/{name}"))
            if bundle.sha256 != name:
                raise BundleError(
                    "digest", f"asked for the bundle {name}, the server sent {bundle.sha256}"
                )
            if self._trusted is not None:
                bundle.check_signature(self._trusted)
            self.keep(bundle)
        return {name: self._bundles[name] for name in names if name is not None}

    def ledger(self, experiment: str, **only: bool) -> Iterator[LoggedBatch]:
        """Every batch, from version 0 on; with ``changes_only=True`` the control changes."""
        for answer in self._paged(
            experiment, "ledger", "batches", first=-1, limit=_BATCHES, **only
        ):
            yield read_batch(answer)

    def decisions(self, experiment: str) -> Iterator[LoggedDecision]:
        """The archived decisions."""
        for answer in self._paged(experiment, "decisions", "decisions", first=0, limit=_DECISIONS):
            yield read_decision(answer)

    def logged(
        self,
        experiment: Experiment,
        batches: Sequence[LoggedBatch],
        decisions: Sequence[LoggedDecision],
    ) -> LoggedData:
        """A log of these, with the bundles that it needs."""
        changes = [item.batch.control for item in batches if item.batch.control is not None]
        return LoggedData(
            experiment=experiment.id,
            batches=tuple(batches),
            decisions=Decisions.of(decisions),
            arm_names=experiment.pool.arm_names,
            bundles=self.bundles([change.configuration for change in changes]),
        )

    def _paged(
        self, experiment: str, path: str, name: str, *, first: int, limit: int, **only: bool
    ) -> Iterator[Any]:
        after: int | None = first
        while after is not None:
            params = {"after": after, "limit": limit, **only}
            page = self._transport.get(f"/experiments/{experiment}/{path}", params)
            yield from page[name]
            after = page["next"]


def check_moment(version: int | None, at: datetime | None) -> None:
    """One of both, and a time that is the same everywhere; raises InvalidParameter."""
    if (version is None) == (at is None):
        raise InvalidParameter(f"version = {version}, at = {at}: give one of them")
    if at is not None and at.tzinfo is None:
        raise InvalidParameter(f"at = {at} has no time zone; give one, e.g. tzinfo=datetime.UTC")


def until(
    batches: Iterable[LoggedBatch], *, version: int | None = None, at: datetime | None = None
) -> list[LoggedBatch]:
    """The batches up to a version or a time; no page behind it is fetched."""
    at_ms = None if at is None else at.timestamp() * 1000
    taken: list[LoggedBatch] = []
    for logged in batches:
        if at_ms is not None and logged.committed_ms > at_ms:
            break
        taken.append(logged)
        if logged.batch.version == version:
            break
    if not taken:
        raise InvalidParameter(f"at = {at}: the experiment did not exist yet")
    return taken
