"""Which rewards of a decision are to count: refused where tokens or the policy cannot follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qbrix.errors import InvalidParameter, InvalidRequest, SupportError
from qbrix.ledger import Attribution
from serving.proxy.agent.encoding import check_reward
from serving.storage.base import ExperimentRecord

__all__ = ["changed_attribution", "check_attribution"]

_DAY_S = 86_400.0


def changed_attribution(before: Attribution, given: Mapping[str, Any]) -> Attribution:
    """The settings after a change of some of them; raises InvalidRequest."""
    try:
        return replace(before, **given)
    except InvalidParameter as error:
        raise _refused(str(error)) from None


def check_attribution(
    record: ExperimentRecord, *, token_lifetime_s: float, decision_sampling: float
) -> None:
    """Raises InvalidRequest where a token would end before its window, and for a default reward
    that the policy cannot learn, or that decisions would miss.
    """
    longest_s = token_lifetime_s - _DAY_S
    if record.window_s is not None and record.window_s > longest_s:
        raise _refused(
            f"window_s = {record.window_s:g}, at most {longest_s:g} is possible: a request_id has "
            f"to live a day longer than the window, and lives {token_lifetime_s:g} s "
            "(PROXY_TOKEN_LIFETIME_S)"
        )
    if record.default_reward is None:
        return
    if decision_sampling < 1.0:
        raise _refused(
            f"default_reward = {record.default_reward:g} needs every decision in the log, of which "
            f"PROXY_DECISION_SAMPLING={decision_sampling:g} leaves some out; leave one of them out"
        )
    try:
        check_reward(
            record.default_reward, support=record.support, reward_range=record.reward_range
        )
    except SupportError as error:
        raise _refused(f"default_reward = {record.default_reward:g}: {error}") from None


def _refused(reason: str) -> InvalidRequest:
    return InvalidRequest(f"learning: {reason}", code="VALIDATION_ERROR")
