"""The summary as a notebook shows it: legible on light and dark pages."""

from __future__ import annotations

from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["page"]

_HEAD = (
    "policy",
    "regret",
    "",
    "behind the best",
    "mean reward",
    "best arm",
    "µs / decision",
    "state",
)
_LEFT = "text-align:left"
_RIGHT = "text-align:right;font-variant-numeric:tabular-nums"
_NOTE = (
    "± are 95 % intervals of single numbers; the intervals behind the best hold for all rows at "
    "once, ≈ marks those that contain 0: not told apart"
)


def page(summary: pd.DataFrame, *, title: str) -> str:
    """A table with a bar for each regret; colours are shades of the page's own text."""
    longest = float(summary["regret"].max()) or 1.0
    head = "".join(
        f'<th style="{_LEFT if i in (0, 2) else _RIGHT}">{escape(name)}</th>'
        for i, name in enumerate(_HEAD)
    )
    lead = _lead(summary)
    rows = "".join(
        _row(str(label), row, share=max(0.0, float(row["regret"]) / longest), lead=lead * (i == 0))
        for i, (label, row) in enumerate(summary.iterrows())
    )
    return (
        f'<div><div style="opacity:.7;margin-bottom:.3em">{escape(title)}</div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f'<div style="opacity:.7;margin-top:.3em">{_NOTE}</div></div>'
    )


def _row(label: str, row: pd.Series[Any], *, share: float, lead: str) -> str:
    bar = (
        '<div style="width:8em;background:color-mix(in srgb,currentColor 12%,transparent)">'
        f'<div style="width:{100 * share:.1f}%;height:.7em;background:#4477aa"></div></div>'
    )
    cells = (
        (_LEFT, escape(label)),
        (_RIGHT, _with_error(row, "regret", digits=2)),
        (_LEFT, bar),
        (_RIGHT, lead or _behind(row)),
        (_RIGHT, _with_error(row, "mean_reward", digits=4)),
        (_RIGHT, f"{100 * row['best_arm_rate']:.1f} %"),
        (_RIGHT, f"{row['microseconds_per_decision']:.2f}"),
        (_RIGHT, _bytes(row["state_bytes"])),
    )
    return "<tr>" + "".join(f'<td style="{style}">{text}</td>' for style, text in cells) + "</tr>"


def _lead(summary: pd.DataFrame) -> str:
    if len(summary) == 1:
        return "—"
    return "ahead of all" if summary["separated"].iloc[0] else "not ahead of all"


def _behind(row: pd.Series[Any]) -> str:
    low, high = row["extra_regret_low"], row["extra_regret_high"]
    sign = "" if row["separated"] else "≈ "
    if not (isfinite(low) and isfinite(high)):
        return f"≈ {row['extra_regret']:,.2f} [?]"
    return f"{sign}{row['extra_regret']:,.2f} [{low:,.2f}, {high:,.2f}]"


def _with_error(row: pd.Series[Any], name: str, *, digits: int) -> str:
    half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2.0
    shown = f"{row[name]:,.{digits}f}"
    return f"{shown} ± {half:,.{digits}f}" if isfinite(half) else shown


def _bytes(size: float) -> str:
    return f"{size:,.0f} B" if size < 10_000 else f"{size / 1000:,.0f} kB"
