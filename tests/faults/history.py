"""What clients sent and what came back: the one thing about a run that no server can rewrite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

__all__ = ["Attempt", "Change", "History", "Mark", "Outcome"]

# ok: acknowledged · failed: refused for good · unknown: it may have been taken all the same
Outcome: TypeAlias = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One request; ``said`` is the answer's body, ``status`` 0 when there was none.

    ``forced`` is the arm that a gate must give to who asked.
    """

    kind: Literal["select", "feedback"]
    experiment: str
    sent_s: float
    ended_s: float
    outcome: Outcome
    status: int
    request_id: str = ""
    feedback_id: str = ""
    reward: float = 0.0
    context: tuple[float, ...] = ()
    forced: int | None = None
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What an operator asked for; it was done if ``status`` is 200."""

    at_s: float
    experiment: str
    change: str
    body: dict[str, Any]
    status: int
    said: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Something that the test did to the servers, or saw of them."""

    at_s: float
    what: Literal["fault", "healed", "recovered", "redis lost its data", "proxy died"]
    detail: str = ""


class History:
    """Attempts in the order in which they ended, and the marks between them."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.changes: list[Change] = []
        self.marks: list[Mark] = []

    def of(self, kind: Literal["select", "feedback"]) -> Iterator[Attempt]:
        """Attempts of one kind."""
        return (one for one in self.attempts if one.kind == kind)

    def recoveries_s(self) -> list[float]:
        """Seconds from every heal to the recovery that followed it."""
        found: list[float] = []
        healed: Mark | None = None
        for mark in self.marks:
            if mark.what == "healed":
                healed = mark
            elif mark.what == "recovered" and healed is not None:
                found.append(mark.at_s - healed.at_s)
                healed = None
        return found

    def lost_until_s(self) -> float:
        """What was acknowledged before may never come: Redis' data and a proxy went together."""
        both = ("redis lost its data", "proxy died")
        last = {mark.what: mark.at_s for mark in self.marks if mark.what in both}
        return max(last.values()) if len(last) == len(both) else 0.0

    def write(self, path: Path) -> None:
        """One line of JSON for each mark, change and attempt."""
        entries: list[Mark | Change | Attempt] = [*self.marks, *self.changes, *self.attempts]
        lines = [json.dumps(asdict(one)) for one in entries]
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")

    @classmethod
    def read(cls, path: Path) -> History:
        """What `write` wrote."""
        history = cls()
        for line in path.read_text("utf-8").splitlines():
            found = json.loads(line)
            if "what" in found:
                history.marks.append(Mark(**found))
            elif "change" in found:
                history.changes.append(Change(**found))
            else:
                found["context"] = tuple(found["context"])
                history.attempts.append(Attempt(**found))
        return history
