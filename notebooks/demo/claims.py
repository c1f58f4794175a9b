"""What the demo claims, said aloud and checked."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Claims", "table"]


class Claims:
    """Prints every claim with its outcome and remembers whether all of them held."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def check(self, sentence: str, holds: bool) -> None:
        print(f"  {'✓' if holds else '✗ FAILED:'} {sentence}", flush=True)
        if not holds:
            self.failed.append(sentence)


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns, aligned."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}   {value}" for name, value in rows)
