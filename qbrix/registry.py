"""Names → classes, with versions, aliases, suggestions and entry points."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import ClassVar, Generic, Protocol, TypeVar

from qbrix.errors import InvalidParameter, UnknownName

__all__ = ["Registry", "snake_case"]


class Versioned(Protocol):
    """A class whose behaviour has a version: a change of behaviour is a new number."""

    version: ClassVar[int]


T = TypeVar("T", bound=Versioned)


class Registry(Generic[T]):
    """A catalogue of classes under their name, ``Name@version`` and a lower-snake alias.

    Without a version a name may be spelled freely: case, underscores, hyphens and the suffix make
    no difference and ``+`` is ``plus``, so that ``kl_ucb``, ``KL-UCB`` and ``KLUCBPolicy`` are one.

    Parameters
    ----------
    kind : str
        What is catalogued, for messages, e.g. ``"policy"``.
    group : str
        Entry-point group from which third-party classes join at the first look-up.
    suffix : str
        Ending left out of aliases: ``BetaTSPolicy`` is also ``beta_ts``.
    """

    def __init__(self, *, kind: str, group: str, suffix: str = "") -> None:
        self._kind = kind
        self._group = group
        self._suffix = suffix
        self._classes: dict[str, type[T]] = {}
        self._homes: dict[str, str] = {}
        self._spellings: dict[str, str] = {}
        self._foreign_loaded = False

    def register(self, item: type[T], *, also: str = "") -> type[T]:
        """Add a class, ``also`` under a word of its own; a name can be taken once."""
        name = item.__name__
        self._take(name, home=item.__module__, also=also)
        if self._classes.setdefault(name, item) is not item:
            raise self._taken(name, by=name)
        return item

    def shelve(self, name: str, *, module: str, also: str = "") -> None:
        """Add a class that loads from its module when somebody asks for it."""
        self._take(name, home=module, also=also)

    def get(self, name: str) -> type[T]:
        """The class under a name, ``Name@version`` or alias; raises `UnknownName`."""
        self._load_foreign()
        asked, _, version = str(name).partition("@")
        known = self._spellings.get(self._spelled(asked))
        if known is None or not isinstance(name, str):
            raise UnknownName(self._kind, name, known=self._homes, near=self._near(asked))
        found = self._loaded(known)
        if version and name != identifier(found):
            raise UnknownName(self._kind, name, known=self._homes, near=[identifier(found)])
        return found

    def _take(self, name: str, *, home: str, also: str) -> None:
        spellings = {self._spelled(spelling) for spelling in (name, also) if spelling}
        for spelling in spellings:
            taken = self._spellings.get(spelling, name)
            if taken != name or self._homes.get(name, home) != home:
                raise self._taken(name, by=taken)
        self._homes[name] = home
        self._spellings |= dict.fromkeys(spellings, name)

    def _taken(self, name: str, *, by: str) -> InvalidParameter:
        return InvalidParameter(f"the {self._kind} name {name!r} is taken by another class, {by}")

    def _loaded(self, name: str) -> type[T]:
        if name not in self._classes:
            self._classes[name] = getattr(import_module(self._homes[name]), name)
        return self._classes[name]

    def _spelled(self, name: str) -> str:
        """A name without what people spell differently."""
        plain = re.sub(r"[^a-z0-9]", "", name.lower().replace("+", "plus"))
        return plain.removesuffix(self._suffix.lower()) or plain

    def _near(self, name: str) -> list[str]:
        """What somebody may have meant who wrote ``name``."""
        asked = self._spelled(name)
        alike = get_close_matches(asked, self._spellings, n=3, cutoff=0.6)
        holding = sorted((known for known in self._spellings if asked and asked in known), key=len)
        return list(dict.fromkeys(self._spellings[known] for known in [*alike, *holding][:5]))

    def alias(self, item: type[T]) -> str:
        """The short name of a class, e.g. ``beta_ts``."""
        return snake_case(item.__name__.removesuffix(self._suffix))

    def __iter__(self) -> Iterator[type[T]]:
        self._load_foreign()
        return iter([self._loaded(name) for name in sorted(self._homes)])

    def __contains__(self, item: object) -> bool:
        name = getattr(item, "__name__", None)
        return name in self._homes and self._loaded(name) is item

    def _load_foreign(self) -> None:
        if self._foreign_loaded:
            return
        self._foreign_loaded = True
        for point in entry_points(group=self._group):
            load: Callable[[], type[T]] = point.load
            self.register(load())


def identifier(item: type[Versioned]) -> str:
    """The behaviour-versioned id, e.g. ``BetaTSPolicy@1``."""
    return f"{item.__name__}@{item.version}"


def snake_case(name: str) -> str:
    """``BetaTS`` → ``beta_ts``, ``KLUCB`` → ``klucb``, ``EXP3`` → ``exp3``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower()
