"""What every contract suite is made of: laws, and checks that hold a subject to them.

A law is a function of its subject whose docstring states it; it raises when the subject breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any, cast
from unittest import SkipTest

from qbrix.errors import InvalidParameter

__all__ = [
    "Check",
    "ContractViolation",
    "check_skips",
    "expect",
    "instances",
    "kept_laws",
    "law_name",
    "not_applicable",
    "refusal",
    "sentence",
]


class ContractViolation(AssertionError):
    """A subject breaks a law of its contract; the message says which, and how."""


@dataclass(frozen=True, slots=True)
class Check:
    """One law held against one subject: call it, or hand it to ``pytest.mark.parametrize``.

    Attributes
    ----------
    subject : str
        Name of what is checked.
    name : str
        Name of the law, e.g. ``single_arm``.
    law : str
        The law as a sentence.
    run : callable
        Raises when the law is broken.
    skip : str, optional
        Why the law is not checked here.
    """

    subject: str
    name: str
    law: str
    run: Callable[[], None] = field(repr=False)
    skip: str | None = None

    @property
    def __name__(self) -> str:
        """What pytest shows."""
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        """Raise `ContractViolation` when the law is broken, SkipTest when it does not apply."""
        if self.skip is not None:
            raise SkipTest(self.skip)
        try:
            self.run()
        except SkipTest:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, AssertionError) else repr(error)
            raise ContractViolation(
                f"{self.subject} breaks the law: {self.law}\n{reason}"
            ) from error


def expect(holds: object, message: str) -> None:
    """Raise unless ``holds``; unlike ``assert`` it also works under ``python -O``."""
    if not holds:
        raise ContractViolation(message)


def not_applicable(reason: str) -> None:
    """Leave a law that says nothing about this subject."""
    raise SkipTest(reason)


@contextmanager
def refusal(error: type[Exception], *, naming: str, of: str) -> Iterator[None]:
    """Expect that the block raises ``error`` with a message that contains ``naming``."""
    try:
        yield
    except error as raised:
        expect(naming in str(raised), f"{of} is refused without naming {naming!r}: {raised}")
    else:
        raise ContractViolation(f"{of} is accepted, expected {error.__name__} naming {naming!r}")


def law_name(law: Callable[..., None]) -> str:
    """``check_single_arm`` → ``single_arm``."""
    return law.__name__.removeprefix("check_")


def sentence(law: Callable[..., None]) -> str:
    """The first paragraph of a law's docstring, on one line."""
    return " ".join(cleandoc(law.__doc__ or "").split("\n\n")[0].split())


def kept_laws(checks: Iterable[Check]) -> list[str]:
    """Run every check that applies; the laws that were kept, as sentences."""
    kept = []
    for check in checks:
        try:
            check()
        except SkipTest:
            continue
        kept.append(check.law)
    return kept


def instances(given: Any, *, of: type[Any]) -> list[Any]:
    """One or many subjects or their classes as subjects; a class stands for its ``example()``.

    Raises
    ------
    InvalidParameter
        When there is none, or something that is no ``of``: it would keep every law unseen.
    """
    many = list(given) if isinstance(given, Iterable) else [given]
    if not many:
        raise InvalidParameter(f"there is nothing to check; pass a {of.__name__} or its class")
    for item in many:
        if not (issubclass(item, of) if isinstance(item, type) else isinstance(item, of)):
            raise InvalidParameter(f"{item!r} is no {of.__name__}, so there is nothing to check")
    return [cast("Any", item).example() if isinstance(item, type) else item for item in many]


def check_skips(skip: Mapping[str, str], *, laws: set[str], names: set[str]) -> None:
    """Raise `InvalidParameter` unless each skip has a reason and names a law, or a check of one."""
    for key, reason in skip.items():
        name, _, law = key.rpartition("-")
        if law not in laws or (name and name not in names):
            raise InvalidParameter(f"skip names {key!r}, which is no check; laws: {sorted(laws)}")
        if not reason.strip():
            raise InvalidParameter(f"skip of {key!r} has no reason; write down why")
