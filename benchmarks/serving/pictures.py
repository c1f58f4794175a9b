"""Panels of curves in one picture, beside RESULTS.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qbrix.plots._style import COLOURS, style

__all__ = ["Curve", "Panel", "draw"]

Curve = list[tuple[float, float]]

_FOLDER = Path(__file__).parents[1] / "pictures"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Curves over one axis; with a ``bar`` to stay under, their height is shown as a logarithm."""

    title: str
    x: str
    y: str
    curves: dict[str, Curve]
    logarithmic: bool = False
    bar: float | None = None


def draw(name: str, panels: Sequence[Panel]) -> None:
    """Two panels in a row."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = math.ceil(len(panels) / 2)
    with style(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure = Figure(figsize=(9.0, 3.5 * rows), layout="constrained")
        for axes, panel in zip(figure.subplots(rows, 2).flat, panels, strict=False):
            for colour, (label, curve) in zip(COLOURS, panel.curves.items(), strict=False):
                x, y = zip(*curve, strict=True)
                axes.plot(x, y, ".-", color=colour, label=label)
            if panel.logarithmic:
                axes.set_xscale("log")
            axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
            if panel.bar is None:
                axes.set_ylim(bottom=0.0)
            else:
                axes.set_yscale("log")
                axes.axhline(panel.bar, linestyle="--", linewidth=1.0, color="grey", label="bar")
            axes.grid(visible=True)
            if len(panel.curves) > 1:
                axes.legend(frameon=False, fontsize="small")
        _FOLDER.mkdir(exist_ok=True)
        figure.savefig(_FOLDER / name, metadata={"Date": None})
