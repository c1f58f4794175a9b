"""What a policy that learns would have earned, from a log of uniformly random decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.checks import check_integer, check_labelled
from qbrix.errors import InvalidParameter, SupportError
from qbrix.evaluation.uniform import UniformLog
from qbrix.policies import Policy
from qbrix.policies.shortcuts import is_nearer, learns_from_propensities
from qbrix.rng import stream
from qbrix.state import stack, take
from qbrix.support import includes
from qbrix.types import Array, IntArray, Interactions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RejectionReplay", "rejection_replay"]

AnyPolicy = Policy[Any, Any]

# Rows that are decided at once between two matches, in expected matches.
_LOOK_AHEAD = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class RejectionReplay:
    """What `rejection_replay` found.

    Attributes
    ----------
    log : UniformLog
    matches : mapping of label to IntArray, shape (passes,)
        Rows in which the policy chose what was logged: the rounds that it really played.
    rewards : mapping of label to tuple of Array
        Rewards of these rounds in turn, one array per pass.
    """

    log: UniformLog
    matches: Mapping[str, IntArray]
    rewards: Mapping[str, tuple[Array, ...]]

    def summary(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """One row per policy, the largest reward first.

        Columns: ``matches`` (mean over the passes), ``mean_reward`` of a round with the ends
        ``_low`` and ``_high`` of its confidence interval.

        The interval covers the average expected reward of the decisions that were replayed. For
        rewards in [0, 1] it inverts the Chernoff bound, which holds for few and rare clicks too;
        for others it is Student's. Passes share the log: they narrow nothing.
        """
        import pandas as pd

        if not 0.0 < confidence < 1.0:
            raise InvalidParameter(f"confidence = {confidence!r}, expected a float in (0, 1)")
        shares = includes("bounded", self.log.support)
        rows = {}
        for label, passes in self.rewards.items():
            played = [rewards for rewards in passes if rewards.size]
            mean = float(np.mean([rewards.mean() for rewards in played])) if played else np.nan
            count = float(self.matches[label].mean())
            low, high = (
                _chernoff(mean, count=count, confidence=confidence)
                if shares and played
                else _student(played, mean=mean, confidence=confidence)
            )
            rows[label] = {
                "matches": count,
                "mean_reward": mean,
                "mean_reward_low": low,
                "mean_reward_high": high,
            }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")
        return table.sort_values("mean_reward", ascending=False, kind="stable")

    def __repr__(self) -> str:
        return f"<RejectionReplay on {self.log!r}>\n{self.summary().to_string()}"


def rejection_replay(
    policies: AnyPolicy | Mapping[str, AnyPolicy] | Sequence[AnyPolicy],
    log: UniformLog,
    *,
    passes: int = 1,
    shuffle: bool = False,
    seed: int = 0,
) -> RejectionReplay:
    """Walk through a log; where a policy chooses what was logged, it is paid and learns.

    Rows in which it chooses otherwise are skipped: nobody knows what they would have paid. As the
    log was drawn uniformly, what remains is distributed as if the policy had really been played
    for as many rounds, on independent and identically distributed contexts. About n/K of n rows
    remain. The regret is unknown; only rewards are.

    Parameters
    ----------
    policies : Policy, sequence of policies, or mapping of label to policy
        In a sequence the label is the name of the class.
    log : UniformLog
    passes : int >= 1, default 1
        Repetitions with fresh randomness of the policies.
    shuffle : bool, default False
        Walk through the rows in a random order, another one in each pass. Leave it False for logs
        in which time matters.
    seed : int >= 0, default 0
        Each policy has a stream of its own.

    Returns
    -------
    RejectionReplay

    Raises
    ------
    SupportError, InvalidParameter
        If a policy cannot learn from the log's rewards, or needs contexts that it does not have.

    Examples
    --------
    >>> import qbrix
    >>> rng = np.random.default_rng(1)
    >>> arms = rng.integers(2, size=1000)
    >>> log = UniformLog(arms=arms, rewards=(arms == 1) * 1.0, n_arms=2)
    >>> found = rejection_replay([qbrix.get("ucb1")()], log).summary()
    >>> bool(found.mean_reward.iloc[0] > 0.8), bool(400 < found.matches.iloc[0] < 600)
    (True, True)

    References
    ----------
    Li, Chu, Langford and Wang (2011), *Unbiased Offline Evaluation of Contextual-bandit-based News
    Article Recommendation Algorithms*, algorithm 2 and theorem 1.
    """
    check_integer(passes, name="passes", least=1)
    if not isinstance(log, UniformLog):
        raise InvalidParameter(f"log = {log!r}, expected a UniformLog, e.g. of read_open_bandit")
    matches: dict[str, IntArray] = {}
    rewards: dict[str, tuple[Array, ...]] = {}
    for label, policy in _labelled(policies).items():
        _check_fit(policy, log)
        found = []
        for number in range(passes):
            order = np.arange(len(log))
            if shuffle:
                stream(seed, "rejection", "order", number).shuffle(order)
            walker = _Walker(policy, log, rng=stream(seed, "rejection", label, number))
            found.append(log.rewards[walker.walk(order)])
        rewards[label] = tuple(found)
        matches[label] = np.array([len(item) for item in found])
    return RejectionReplay(log=log, matches=matches, rewards=rewards)


class _Walker:
    """A policy on its way through a log.

    Between two matches nothing is learned, so that many rows are decided with one state at once.
    """

    def __init__(self, policy: AnyPolicy, log: UniformLog, *, rng: np.random.Generator) -> None:
        self._policy = policy
        self._log = log
        self._rng = rng
        dim = log.dim if policy.capabilities.context else 0
        self._contexts = log.contexts if dim else None
        self._state = policy.init(n_arms=log.n_arms, dim=dim)
        self._prepared = policy.prepare(self._state)
        self._samples = (
            type(policy).sample is not Policy.sample
            and is_nearer(policy, "sample", than="propensities")
            and not learns_from_propensities(policy, n_arms=log.n_arms, dim=dim)
        )

    def walk(self, order: IntArray) -> IntArray:
        """The rows that match, in the order in which they were met."""
        ahead = _LOOK_AHEAD * self._log.n_arms
        matched: list[int] = []
        start = 0
        while start < len(order):
            rows = order[start : start + ahead]
            seen = None if self._contexts is None else self._contexts[rows]
            arms, propensities = self._decided(seen, count=len(rows))
            hits = np.flatnonzero(arms == self._log.arms[rows])
            if not hits.size:
                start += len(rows)
                continue
            first = slice(hits[0], hits[0] + 1)
            row = rows[first]
            self._learn(
                row,
                None if seen is None else seen[first],
                propensities=propensities[first],
                version=len(matched),
            )
            matched.append(int(row[0]))
            start += int(hits[0]) + 1
        return np.array(matched, dtype=np.int64)

    def _decided(self, seen: Array | None, *, count: int) -> tuple[IntArray, Array]:
        """Arms of so many rows and their propensities, 1 where nobody asks for them."""
        policy = self._policy
        if self._samples:
            prepared = self._prepared
            if seen is None:
                copies = take(stack([self._state]), np.zeros(count, dtype=np.int64))
                prepared = policy.prepare(copies)
            return policy.sample(prepared, seen, rng=self._rng), np.ones(count)
        law = np.broadcast_to(policy.propensities(self._prepared, seen), (count, self._log.n_arms))
        upper = law.cumsum(-1)
        arms = (self._rng.random((count, 1)) * upper[:, -1:] >= upper).sum(-1)
        return arms, law[np.arange(count), arms]

    def _learn(
        self, row: IntArray, context: Array | None, *, propensities: Array, version: int
    ) -> None:
        policy, arms = self._policy, self._log.arms[row]
        noted = policy.record(
            self._prepared, None if context is None else context[0], np.asarray(arms[0])
        )
        batch = Interactions(
            arms=arms,
            rewards=self._log.rewards[row],
            propensities=propensities,
            state_versions=np.array([version]),
            contexts=context,
            recorded=None if noted is None else np.asarray(noted)[np.newaxis],
        )
        self._state = policy.update(self._state, batch)
        self._prepared = policy.prepare(self._state)


def _labelled(policies: object) -> dict[str, AnyPolicy]:
    return check_labelled(
        policies,
        of=Policy,
        name="policies",
        label=lambda policy: type(policy).__name__.removesuffix("Policy"),
        example="[BetaTSPolicy(), KLUCBPolicy()]",
    )


def _check_fit(policy: AnyPolicy, log: UniformLog) -> None:
    name, learns = type(policy).__name__, policy.capabilities.reward
    if not includes(learns, log.support):
        raise SupportError(
            f"the log holds {log.support} rewards, {name} learns from {learns} ones; "
            "rescale them or choose a policy with a wider support"
        )
    if policy.capabilities.context and not log.dim:
        raise InvalidParameter(f"{name} decides by context, the log has none")


def _chernoff(mean: float, *, count: float, confidence: float) -> tuple[float, float]:
    """All m with count · kl(mean, m) <= log(2 / (1 − confidence)), by bisection."""
    from scipy.special import rel_entr

    room = np.log(2.0 / (1.0 - confidence)) / count

    def end(outer: float) -> float:
        inner = mean
        for _ in range(60):
            middle = 0.5 * (inner + outer)
            far = rel_entr(mean, middle) + rel_entr(1.0 - mean, 1.0 - middle) > room
            inner, outer = (inner, middle) if far else (middle, outer)
        return inner

    return end(0.0), end(1.0)


def _student(played: list[Array], *, mean: float, confidence: float) -> tuple[float, float]:
    """Student's interval from the spread inside each pass."""
    from scipy.special import stdtrit

    usable = [rewards for rewards in played if rewards.size > 1]
    if not usable:
        return np.nan, np.nan
    error = np.sqrt(np.mean([rewards.var(ddof=1) / rewards.size for rewards in usable]))
    freedom = min(rewards.size for rewards in usable) - 1
    half = float(stdtrit(freedom, 0.5 + confidence / 2.0) * error)
    return mean - half, mean + half
