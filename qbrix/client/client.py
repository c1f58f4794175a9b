"""The notebook's door to serving."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from qbrix.bundle import Bundle, TrustedKeys, load
from qbrix.client.answers import (
    Experiment,
    FeedbackResult,
    Pool,
    Promotion,
    Selection,
    ServedState,
    read_decision,
    read_experiment,
    read_pool,
    read_promotion,
    read_selection,
    read_state,
)
from qbrix.client.downloads import Downloads, check_moment, until
from qbrix.client.history import Change, change_before, read_changes
from qbrix.client.numbers import number, numbers
from qbrix.client.transport import Transport
from qbrix.errors import InvalidParameter, NotFound
from qbrix.evaluation import LoggedData, ReplayedDecision
from qbrix.ledger import Attribution, Deployment
from qbrix.types import Array

if TYPE_CHECKING:
    import httpx

__all__ = ["Client"]

_PAGE = 500


class Client:
    """Pools, experiments, decisions and logs of one workspace, over HTTP.

    What can be repeated without harm (reading, and feedback, which counts once) is tried again
    while the server is unavailable, for up to about 30 s; the rest is sent once.

    Folding and replaying run the policies of promoted bundles in this process. The server has
    checked their signatures; give ``trusted`` to check them here as well.

    Parameters
    ----------
    url : str
        Origin, e.g. ``http://127.0.0.1:8080``.
    api_key : str
    timeout_s : float, default 10
        For each request.
    trusted : TrustedKeys, optional
        Refuse bundles that none of these keys has signed.
    wire : httpx.BaseTransport, optional
        What carries the requests; the network by default.

    Examples
    --------
    ::

        with Client("http://127.0.0.1:8080", key) as client:
            pool = client.create_pool("colours", ["red", "green"])
            experiment = client.create_experiment("button", pool=pool, policy="BetaTSPolicy")
            decision = client.select(experiment, "user-1")
            client.feedback(decision.request_id, 1.0)
            client.log(experiment).verify()
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 10.0,
        trusted: TrustedKeys | None = None,
        wire: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(url, api_key, timeout_s=timeout_s, wire=wire)
        self._downloads = Downloads(self._transport, trusted)

    def create_pool(self, name: str, arms: Sequence[str]) -> Pool:
        """A new pool with arms of these names, by index."""
        if isinstance(arms, str):
            raise InvalidParameter(f"arms = {arms!r}, expected a list of names")
        body = {"name": name, "arms": [{"name": arm} for arm in arms]}
        return read_pool(self._transport.post("/pools", body))

    def pools(self) -> list[Pool]:
        """All pools, newest first."""
        return [read_pool(answer) for answer in self._listed("pools")]

    def create_experiment(
        self,
        name: str,
        *,
        pool: Pool | str,
        policy: str,
        parameters: Mapping[str, Any] | None = None,
        dim: int | None = None,
        floor: float | None = None,
        reward_range: tuple[float, float] | None = None,
        attribution: Attribution | None = None,
        enabled: bool = True,
    ) -> Experiment:
        """A new experiment, which can be asked at once.

        Parameters
        ----------
        name : str
        pool : Pool or str
            The pool, or its id.
        policy : str
            Name of a library policy; a bundle comes by `promote`.
        parameters : mapping, optional
            Hyper-parameters; ``dim`` may stand among them.
        dim : int, optional
            Number of features, for a contextual policy.
        floor : float in [0, 1], optional
            Share of decisions that explore uniformly.
        reward_range : (float, float), optional
            Smallest and largest reward, where these are not 0 and 1: the policy learns
            ``(r - low) / (high - low)``, the log keeps r, and others are refused.
        attribution : Attribution, optional
            Which rewards of a decision count, and when; by default each, at once, for ever.
        enabled : bool, default True
            False answers every decision with the first arm, and learns.
        """
        body: dict[str, Any] = {
            "name": name,
            "pool_id": pool.id if isinstance(pool, Pool) else pool,
            "policy": policy,
            "policy_params": {**(parameters or {}), **({} if dim is None else {"dim": dim})},
            "enabled": enabled,
        }
        learning: dict[str, Any] = {"exploration_floor": floor, "reward_range": reward_range}
        learning |= asdict(attribution or Attribution())
        body["learning"] = {name: value for name, value in learning.items() if value is not None}
        return read_experiment(self._transport.post("/experiments", body))

    def experiments(self) -> list[Experiment]:
        """All experiments, newest first."""
        return [read_experiment(answer) for answer in self._listed("experiments")]

    def experiment(self, experiment: Experiment | str) -> Experiment:
        """The experiment of an id or a name, as it is now."""
        answer = self._transport.get(f"/experiments/{self._id(experiment)}")
        return read_experiment(answer)

    def promote(
        self,
        bundle: Bundle | str | os.PathLike[str],
        *,
        experiment: Experiment | str,
        timeout_s: float = 120.0,
    ) -> Promotion:
        """Let a signed bundle decide, after serving has replayed its golden trace.

        Raises
        ------
        BundleError
            When serving does not accept it; ``reason`` says why.
        """
        whole = bundle if isinstance(bundle, Bundle) else load(bundle)
        answer = self._transport.post_bytes(
            f"/experiments/{self._id(experiment)}/promote",
            whole.data,
            media_type="application/zip",
            timeout_s=timeout_s,
        )
        self._downloads.keep(whole)
        return read_promotion(answer)

    def history(self, experiment: Experiment | str) -> list[Change]:
        """Every change of what decides, newest first; who made it is in the workspace's audit."""
        known = self._id(experiment)
        return read_changes(list(self._downloads.ledger(known, changes_only=True)))

    def rollback(
        self,
        experiment: Experiment | str,
        *,
        to: int | None = None,
        timeout_s: float = 120.0,
    ) -> Experiment:
        """Let a policy decide again that decided before, with its hyper-parameters of then.

        It is as if it were promoted: a new epoch begins, a bundle is verified anew, and the state
        is the one in its bundle, else a new one. Floor and arms stay as they are now.

        Parameters
        ----------
        experiment : Experiment or str
        to : int >= 0, optional
            A version at which it decided; by default what decided before the last promotion.

        Returns
        -------
        Experiment
            As it is now.
        """
        known = self._id(experiment)
        change = change_before(self.history(known), to)
        body = {"version": change.version}
        self._transport.post(f"/experiments/{known}/rollback", body, timeout=timeout_s)
        return self.experiment(known)

    def select(
        self,
        experiment: Experiment | str,
        context_id: str = "",
        *,
        vector: Sequence[float] | Array | None = None,
        properties: Mapping[str, Any] | None = None,
        decision_id: str | None = None,
    ) -> Selection:
        """One decision.

        Parameters
        ----------
        experiment : Experiment or str
            The experiment, its id, or its name (a name costs a request of its own).
        context_id : str
            The unit: a user or a session.
        vector : array of shape (d,), optional
        properties : mapping, optional
            In place of a vector, for an experiment with a context schema.
        decision_id : str, optional
            32 hex characters of yours; the same id gets the same arm while the state is the same.
        """
        context: dict[str, Any] = {"id": context_id}
        if vector is not None:
            context["vector"] = numbers(vector)
        if properties is not None:
            context["properties"] = dict(properties)
        body: dict[str, Any] = {"experiment_id": self._id(experiment), "context": context}
        if decision_id is not None:
            body["decision_id"] = decision_id
        return read_selection(self._transport.post("/agent/select", body))

    def feedback(
        self, request_id: str | None, reward: float, *, feedback_id: str | None = None
    ) -> FeedbackResult:
        """The reward of a decision; on disk when this returns, and counted once.

        Parameters
        ----------
        request_id : str or None
            Of the `Selection`; None (a paused experiment) is not accepted and no error.
        reward : float
        feedback_id : str, optional
            Names one of several rewards of the decision.
        """
        body: dict[str, Any] = {"request_id": request_id or "", "reward": number(reward)}
        if feedback_id is not None:
            body["feedback_id"] = feedback_id
        answer = self._transport.post_repeatedly("/agent/feedback", body)
        return FeedbackResult(answer["accepted"], answer.get("duplicate", False))

    def retract(self, request_id: str, *, feedback_id: str | None = None) -> FeedbackResult:
        """Take one reward back: what was learned becomes what it were without it.

        Parameters
        ----------
        request_id : str
            Of the `Selection`.
        feedback_id : str, optional
            The reward's name, where it was given one. A reward that was taken back stays away; send
            a corrected one under another name.
        """
        body = {"request_id": request_id}
        if feedback_id is not None:
            body["feedback_id"] = feedback_id
        answer = self._transport.post_repeatedly("/agent/feedback/retract", body)
        return FeedbackResult(answer["accepted"], answer.get("duplicate", False))

    def state(self, experiment: Experiment | str) -> ServedState:
        """What decides now."""
        answer = self._transport.get(f"/experiments/{self._id(experiment)}/state")
        served = read_state(answer, resolver=self._downloads.resolver)
        self._downloads.bundles([served.configuration])
        return served

    def state_at(
        self,
        experiment: Experiment | str,
        version: int | None = None,
        *,
        at: datetime | None = None,
    ) -> Deployment:
        """What decided at a version or a time: the ledger up to there, folded again here.

        Parameters
        ----------
        experiment : Experiment or str
        version : int >= 0, optional
        at : datetime with a time zone, optional
            In place of a version: the last one that was committed by then.

        Returns
        -------
        Deployment
            Configuration, policy and state; `Deployment.decider` makes decisions with them.

        Raises
        ------
        InvalidParameter
            When there is no such version, or nothing was committed by then.
        StateMismatch
            When a version on the way comes out different from what serving had.

        Examples
        --------
        ::

            client.state_at(experiment, 0).state                     # before anything was learned
            client.state_at(experiment, at=datetime(2026, 7, 1, tzinfo=UTC)).decider()
        """
        check_moment(version, at)
        known = self.experiment(experiment)
        batches = until(self._downloads.ledger(known.id), version=version, at=at)
        return self._downloads.logged(known, batches, []).fold(version)

    def log(self, experiment: Experiment | str) -> LoggedData:
        """The whole log: every batch of the ledger, and the archived decisions."""
        known = self.experiment(experiment)
        # Decisions first: then the ledger has every version that they name.
        decisions = list(self._downloads.decisions(known.id))
        return self._downloads.logged(known, list(self._downloads.ledger(known.id)), decisions)

    def replay(
        self, decision_id: str, *, experiment: Experiment | str | None = None
    ) -> ReplayedDecision:
        """One decision again, step by step, from the state that decided it.

        Parameters
        ----------
        decision_id : str
            32 hex characters.
        experiment : optional
            Where to look when the best-effort decision log has lost the decision but its reward
            is in the ledger.
        """
        try:
            answer = self._transport.get(f"/decisions/{decision_id}")
        except NotFound:
            if experiment is None:
                raise
            return self.log(experiment).replay(decision_id)
        known = self.experiment(answer["experiment_id"])
        decision = read_decision(answer)
        batches = until(self._downloads.ledger(known.id), version=decision.version)
        return self._downloads.logged(known, batches, [decision]).replay(decision_id)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._transport.url}>"

    def _id(self, experiment: Experiment | str) -> str:
        if isinstance(experiment, Experiment):
            return experiment.id
        if len(experiment) == 32 and set(experiment) <= set("0123456789abcdef"):
            return experiment
        for answer in self._listed("experiments", search=experiment):
            if answer["name"] == experiment:
                return str(answer["id"])
        raise NotFound("experiment", experiment)

    def _listed(self, kind: str, **params: Any) -> Iterator[Any]:
        offset = 0
        while True:
            page = self._transport.get(f"/{kind}", {**params, "limit": _PAGE, "offset": offset})
            yield from page[kind]
            offset += _PAGE
            if len(page[kind]) < _PAGE:
                return
