"""Facts as a small table for a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable

__all__ = ["facts_table"]


def facts_table(facts: Iterable[tuple[str, str]]) -> str:
    """One row a fact; names and values are escaped, colours are the notebook's."""
    cell = "style='text-align:left;vertical-align:top'"
    rows = "".join(
        f"<tr><th {cell}>{html.escape(name)}</th><td {cell}>{html.escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table>{rows}</table>"
