"""Pictures are drawn, with axes that say what they show."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from qbrix.environments import Bernoulli
from qbrix.errors import MissingExtra
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.simulator import SimulationResult, simulate, sweep
from tests.simulator.by_hand import ConstantPolicy


@pytest.fixture(scope="module")
def result() -> SimulationResult:
    return simulate(
        [RandomPolicy(), EpsilonPolicy(eps=0.1, gamma=1.0), EpsilonPolicy(eps=0.5, gamma=1.0)],
        Bernoulli([0.2, 0.7]),
        horizon=100,
        replications=5,
        progress=False,
    )


@pytest.fixture(autouse=True)
def _off_screen() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


def test_regret_has_labelled_axes_and_a_label_beside_every_line(result: SimulationResult) -> None:
    ax = result.plot.regret()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("round", "cumulative regret")
    assert len(ax.lines) - 2 == len(ax.collections) == 3
    beside = {text.get_text(): text.get_color() for text in ax.texts}
    assert beside == {str(line.get_label()): line.get_color() for line in ax.lines[:3]}
    plt.savefig(io.BytesIO())


def test_references_never_decide_the_height_of_the_picture(result: SimulationResult) -> None:
    with_them, without = result.plot.regret(), result.plot.regret(slopes=False)
    assert with_them.get_ylim() == without.get_ylim()
    assert len(without.lines) == 3
    assert without.get_legend() is None
    legend = with_them.get_legend()
    assert legend is not None
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["slope of Lai and Robbins, 0.936 per factor e", "minimax rate, √(K t)"]


def test_differences_have_a_row_per_policy_and_name_the_baseline(
    result: SimulationResult,
) -> None:
    ax = result.plot.differences("Random")
    assert ax.get_xlabel() == "regret beyond that of Random"
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == list(result.compare("Random").index)
    given = plt.figure().subplots()
    assert result.plot.differences(ax=given) is given
    plt.savefig(io.BytesIO())


def test_regret_draws_into_given_axes_on_a_logarithmic_scale(result: SimulationResult) -> None:
    given = plt.figure().subplots()
    assert result.plot.regret(ax=given, log=True) is given
    assert given.get_xscale() == "log"


def test_a_sweep_has_a_panel_per_environment_and_one_colour_per_policy() -> None:
    places = {"easy": Bernoulli([0.9, 0.1]), "turned": Bernoulli([0.4, 0.5, 0.3])}
    grid = sweep(
        {"first": ConstantPolicy(arm=0), "second": ConstantPolicy(arm=1)},
        places,
        seeds=[1, 2],
        horizon=30,
        replications=3,
        progress=False,
    )
    figure = grid.plot.regret(log=True)
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.axison] == list(places)
    found = [
        {text.get_text(): text.get_color() for text in ax.texts} for ax in figure.axes if ax.axison
    ]
    assert found[0] == found[1]
    assert list(found[0]) != list(found[1])
    assert figure.get_suptitle() == "6 replications of 2 seeds, bands: 95 % intervals"
    figure.savefig(io.BytesIO())


def test_arms_have_a_panel_per_policy_and_one_legend(result: SimulationResult) -> None:
    figure = result.plot.arms()
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.axison]
    assert titles == list(result.summary().index)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1", "0"]
    figure.savefig(io.BytesIO())


def test_drawing_leaves_no_setting_behind(result: SimulationResult) -> None:
    before = dict(mpl.rcParams)
    result.plot.regret()
    assert dict(mpl.rcParams) == before


def test_without_matplotlib_the_extra_is_named(
    result: SimulationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'qbrix-lab\[notebook\]'"):
        result.plot.regret()
