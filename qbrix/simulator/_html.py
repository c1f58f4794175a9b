"""The summary as a notebook shows it: legible on light and dark pages."""

from __future__ import annotations

from html import escape
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["page"]

_HEAD = (
    "policy",
    "regret",
    "",
    "mean reward",
    "best arm",
    "µs / decision",
)
_LEFT = "text-align:left"
_RIGHT = "text-align:right;font-variant-numeric:tabular-nums"


def page(summary: pd.DataFrame, *, title: str) -> str:
    """A table with a bar for each regret; colours are shades of the page's own text."""
    longest = float(summary["regret"].max()) or 1.0
    head = "".join(
        f'<th style="{_LEFT if i in (0, 2) else _RIGHT}">{escape(name)}</th>'
        for i, name in enumerate(_HEAD)
    )
    rows = "".join(
        _row(str(label), row, share=max(0.0, row["regret"] / longest))
        for label, row in summary.iterrows()
    )
    caption = f"{escape(title)}; ± are 95 % intervals"
    return (
        f'<div><div style="opacity:.7;margin-bottom:.3em">{caption}</div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(label: str, row: pd.Series[float], *, share: float) -> str:
    bar = (
        '<div style="width:8em;background:color-mix(in srgb,currentColor 12%,transparent)">'
        f'<div style="width:{100 * share:.1f}%;height:.7em;background:#4477aa"></div></div>'
    )
    cells = (
        (_LEFT, escape(label)),
        (_RIGHT, _with_error(row, "regret", digits=2)),
        (_LEFT, bar),
        (_RIGHT, _with_error(row, "mean_reward", digits=4)),
        (_RIGHT, f"{100 * row['best_arm_rate']:.1f} %"),
        (_RIGHT, f"{row['microseconds_per_decision']:.2f}"),
    )
    return "<tr>" + "".join(f'<td style="{style}">{text}</td>' for style, text in cells) + "</tr>"


def _with_error(row: pd.Series[float], name: str, *, digits: int) -> str:
    half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2.0
    shown = f"{row[name]:,.{digits}f}"
    return shown if isnan(half) else f"{shown} ± {half:,.{digits}f}"
