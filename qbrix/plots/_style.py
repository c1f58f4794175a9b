"""One look for all pictures: transparent, in colours that hold on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from qbrix.errors import MissingExtra
from qbrix.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "INK", "label_lines", "spread", "style"]

# A contrast of at least 3 : 1 against white and against #111111. Below middle luminance, because
# notebooks put a transparent picture with light tick labels on black, whatever the theme.
INK = "#737373"
COLOURS = (
    "#3b87d4",
    "#d9731a",
    "#2f9e5b",
    "#c65bb2",
    "#b08900",
    "#e0524d",
    "#18a0a8",
    "#8f72e0",
    "#7d9431",
    "#a0714f",
)


@contextmanager
def style() -> Iterator[None]:
    """Draw within: our settings apply to what is made here and leave no trace behind."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtra("a picture", extra="notebook") from None
    with mpl.rc_context(
        {
            "figure.facecolor": "none",
            "figure.dpi": 110.0,
            "axes.facecolor": "none",
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "grid.color": INK,
            "grid.alpha": 0.25,
        }
    ):
        yield
        interactive = mpl.is_interactive()
    # A notebook's backend makes matplotlib interactive when it is loaded for the first figure; were
    # that undone with our settings, later pictures would not be shown.
    mpl.interactive(interactive)


def spread(positions: Sequence[float], *, gap: float, least: float = -np.inf) -> Array:
    """Nearest positions in the same order that keep a distance of ``gap`` from each other.

    Neighbours that are too close move as one group about their centre, and up where some of them
    would come below ``least``.
    """
    order = np.argsort(positions, kind="stable")
    groups: list[list[float]] = []
    for position in np.asarray(positions, dtype=np.float64)[order]:
        groups.append([position])
        while len(groups) > 1 and _top(groups[-2], gap) + gap > _bottom(groups[-1], gap):
            last = groups.pop()
            groups[-1] += last
    placed = np.empty(len(order))
    placed[order] = np.concatenate(
        [_bottom(group, gap) + gap * np.arange(len(group)) for group in groups]
    )
    for before, after in zip([None, *order], order, strict=False):
        floor = least if before is None else placed[before] + gap
        placed[after] = max(placed[after], floor)
    return placed


def label_lines(
    ax: Axes, *, ends: Sequence[float], labels: Sequence[str], colours: Sequence[str]
) -> None:
    """Write each label in its line's colour beside the right end of its line."""
    low, high = ax.get_ylim()
    places = spread(ends, gap=0.055 * (high - low), least=low)
    for place, label, colour in zip(places, labels, colours, strict=True):
        ax.annotate(
            label,
            xy=(1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )


def _bottom(group: list[float], gap: float) -> float:
    return float(np.mean(group)) - gap * (len(group) - 1) / 2.0


def _top(group: list[float], gap: float) -> float:
    return float(np.mean(group)) + gap * (len(group) - 1) / 2.0
