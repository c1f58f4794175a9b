"""The contract of an environment as one suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from qbrix.environments import Environment
from qbrix.testing import environment_chance, environment_laws
from qbrix.testing.contract import Check, check_skips, instances, kept_laws, law_name, sentence

__all__ = ["check_environment", "environment_checks"]

Law = Callable[[Environment], None]

_LAWS: tuple[Law, ...] = (
    environment_laws.check_blocks_have_the_declared_shapes,
    environment_laws.check_numbers_are_finite,
    environment_laws.check_rewards_lie_in_the_support,
    environment_laws.check_best_is_what_nobody_beats,
    environment_laws.check_optimum_is_met,
    environment_laws.check_cut_into_blocks_changes_nothing,
    environment_laws.check_shorter_play_is_a_beginning,
    environment_laws.check_plays_do_not_disturb_each_other,
    environment_laws.check_spec_leads_back,
    environment_laws.check_nothing_can_be_changed,
    environment_laws.check_representation_is_short,
    environment_laws.check_sizes_are_guarded,
    environment_chance.check_seeds_and_replications_differ,
    environment_chance.check_replications_are_independent,
    environment_chance.check_means_are_expectations,
)


def check_environment(
    environment: Environment | type[Environment], *, skip: Mapping[str, str] | None = None
) -> list[str]:
    """Hold an environment to every law of its contract.

    Parameters
    ----------
    environment : Environment or its class
        A class stands for its ``example()``.
    skip : mapping of law to reason, optional
        Laws that are not checked, e.g. ``{"seeds_and_replications_differ": "it is a table"}``.

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
    >>> from qbrix.environments import Bernoulli
    >>> len(check_environment(Bernoulli([0.2, 0.7]))) > 10
    True
    """
    return kept_laws(environment_checks(environment, skip=skip))


def environment_checks(
    environments: Environment | type[Environment] | Iterable[Environment | type[Environment]],
    *,
    skip: Mapping[str, str] | None = None,
) -> list[Check]:
    """Every law for every environment, as calls without arguments.

    For ``@pytest.mark.parametrize("check", environment_checks(MyEnvironment()))`` over
    ``def test_contract(check): check()``.

    Parameters
    ----------
    environments : one or many environments or classes
        A class stands for its ``example()``.
    skip : mapping to reasons, optional
        Keys are names of laws (``spec_leads_back``) or of checks
        (``Adversarial-seeds_and_replications_differ``).
    """
    subjects = instances(environments, of=Environment)
    reasons = skip or {}
    laws = {law_name(law) for law in _LAWS}
    check_skips(reasons, laws=laws, names={type(item).__name__ for item in subjects})
    checks = []
    for environment in subjects:
        name = type(environment).__name__
        for law in _LAWS:
            label = law_name(law)
            reason = reasons.get(f"{name}-{label}", reasons.get(label))
            checks.append(Check(name, label, sentence(law), partial(law, environment), reason))
    return checks
