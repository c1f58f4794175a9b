"""The contract of a policy as one suite: every law, over one policy or a whole catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial

from qbrix.policies import IdentificationPolicy, Policy
from qbrix.testing import chance_laws, identification_laws, interface_laws, learning_laws
from qbrix.testing.contract import (
    Check,
    check_skips,
    expect,
    instances,
    kept_laws,
    law_name,
    not_applicable,
    sentence,
)
from qbrix.testing.elsewhere import digests_elsewhere, digests_here
from qbrix.testing.subject import AnyPolicy

__all__ = ["check_policy", "policy_checks"]

Law = Callable[[AnyPolicy], None]

_LAWS: tuple[Law, ...] = (
    interface_laws.check_hyperparameters_round_trip,
    interface_laws.check_hyperparameters_are_guarded,
    interface_laws.check_init_matches_schema,
    interface_laws.check_state_survives_bytes,
    interface_laws.check_propensities_are_a_law,
    interface_laws.check_contexts_are_decided_alike,
    interface_laws.check_single_arm,
    interface_laws.check_arms_can_be_added,
    interface_laws.check_inputs_are_not_mutated,
    interface_laws.check_nothing_is_hidden,
    interface_laws.check_recorded_numbers_are_declared,
    learning_laws.check_update_twice_is_update_once,
    learning_laws.check_order_does_not_matter,
    learning_laws.check_leading_axis_is_single_runs,
    learning_laws.check_in_place_is_update,
    learning_laws.check_advance_follows_prepare,
    learning_laws.check_play_is_rounds_in_turn,
    learning_laws.check_late_feedback_is_learned,
    learning_laws.check_bad_batches_are_refused,
    learning_laws.check_million_updates_stay_finite,
    chance_laws.check_sample_follows_propensities,
    chance_laws.check_beats_uniform,
)
_IDENTIFICATION_LAWS: tuple[Callable[[identification_laws.Identifier], None], ...] = (
    identification_laws.check_recommendation_is_an_arm,
    identification_laws.check_stops_on_evidence,
    identification_laws.check_less_confidence_stops_earlier,
    identification_laws.check_recommends_the_best_arm,
)


def check_policy(
    policy: AnyPolicy | type[AnyPolicy], *, skip: Mapping[str, str] | None = None
) -> list[str]:
    """Hold a policy to every law of its contract.

    Parameters
    ----------
    policy : Policy or its class
        A class stands for its ``example()``.
    skip : mapping of law to reason, optional
        Laws that are not checked, e.g. ``{"beats_uniform": "it is uniform"}``.

    Returns
    -------
    list of str
        The laws that were kept, as sentences.

    Raises
    ------
    ContractViolation
        At the first law that is broken, with the law's sentence and what happened instead.

    Examples
    --------
    >>> from qbrix.policies import get
    >>> len(check_policy(get("exp3"))) > 15
    True
    """
    return kept_laws(policy_checks(policy, skip=skip))


def policy_checks(
    policies: AnyPolicy | type[AnyPolicy] | Iterable[AnyPolicy | type[AnyPolicy]],
    *,
    skip: Mapping[str, str] | None = None,
) -> list[Check]:
    """Every law for every policy, as calls without arguments.

    For ``@pytest.mark.parametrize("check", policy_checks(MyPolicy()))`` over
    ``def test_contract(check): check()``.

    Parameters
    ----------
    policies : one or many policies or classes
        A class stands for its ``example()``.
    skip : mapping to reasons, optional
        Keys are names of laws (``beats_uniform``) or of checks (``RandomPolicy-beats_uniform``).
    """
    subjects: list[AnyPolicy] = instances(policies, of=Policy)
    reasons = skip or {}
    laws = (*_LAWS, *_IDENTIFICATION_LAWS, check_bits_are_the_same_everywhere)
    names = {type(policy).__name__ for policy in subjects}
    check_skips(reasons, laws={law_name(law) for law in laws}, names=names)
    fold = _Elsewhere(subjects)
    checks = []
    for number, policy in enumerate(subjects):
        name = type(policy).__name__
        runs: list[tuple[Callable[..., None], Callable[[], None]]] = [
            (law, partial(law, policy)) for law in _LAWS
        ]
        if isinstance(policy, IdentificationPolicy):
            runs += [(law, partial(law, policy)) for law in _IDENTIFICATION_LAWS]
        runs.append((check_bits_are_the_same_everywhere, partial(fold.check, number)))
        for law, run in runs:
            label = law_name(law)
            reason = reasons.get(f"{name}-{label}", reasons.get(label))
            checks.append(Check(name, label, sentence(law), run, reason))
    return checks


def check_bits_are_the_same_everywhere(policy: AnyPolicy) -> None:
    """Another process folds the same log to the same bits, whatever its vector and BLAS units."""
    _Elsewhere([policy]).check(0)


class _Elsewhere:
    """All policies folded again in the same few processes, when the first of them is asked for."""

    def __init__(self, policies: list[AnyPolicy]) -> None:
        self._policies = policies

    @cached_property
    def _digests(self) -> dict[str, list[str]]:
        exact = [policy for policy in self._policies if policy.capabilities.bits == "exact"]
        places = {"this process": digests_here(exact), **digests_elsewhere(exact)}
        numbers = [number for number, policy in enumerate(self._policies) if policy in exact]
        return {
            place: [
                digests[numbers.index(number)] if number in numbers else ""
                for number in range(len(self._policies))
            ]
            for place, digests in places.items()
        }

    def check(self, number: int) -> None:
        """Raise unless all places have the same digest."""
        if self._policies[number].capabilities.bits != "exact":
            not_applicable("the policy declares that its bits are only close")
        found = {place: digests[number] for place, digests in self._digests.items()}
        expect(
            len(set(found.values())) == 1,
            "; ".join(f"{place} has state {digest[:16]}" for place, digest in found.items()),
        )
