"""What was looked at, how it is, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "fail", "ok", "warn"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """``fail`` is what must not stay so; ``warn`` what somebody may have chosen knowingly."""

    name: str
    level: Literal["ok", "warn", "fail"]
    found: str = ""
    mend: str = ""

    def __str__(self) -> str:
        word = {"ok": "ok   ", "warn": "warn ", "fail": "FAIL "}[self.level]
        told = "; ".join(part for part in (self.found, self.mend) if part)
        return f"{word} {self.name}" + (f": {told}" if told else "")


def ok(name: str, found: str = "") -> Finding:
    """It is as it should be."""
    return Finding(name=name, level="ok", found=found)


def warn(name: str, found: str, mend: str = "") -> Finding:
    """It may be meant so."""
    return Finding(name=name, level="warn", found=found, mend=mend)


def fail(name: str, found: str, mend: str = "") -> Finding:
    """It must be mended."""
    return Finding(name=name, level="fail", found=found, mend=mend)
