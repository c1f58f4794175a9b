"""Taking rewards back: the state is that of a ledger in which they never came."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.bundle import BundleResolver
from qbrix.errors import StateMismatch
from qbrix.ledger import Batch, Configuration, Control, Disposition, PolicyRef, fold
from qbrix.ledger.names import CLOSE, correction_id, retraction_id
from qbrix.ledger.replay import spaced
from qbrix.state import State, to_bytes
from tests.ledger.histories import BETA, Row, created, learned, replayed

TAKE, CLOSED, HELD, DEFAULT = (
    Disposition.RETRACTION,
    Disposition.CLOSED,
    Disposition.HELD,
    Disposition.DEFAULT,
)
GAUSS = PolicyRef(name="GaussianTSPolicy@1")
DISCOUNTED = PolicyRef(name="DiscountedTSPolicy@1", parameters={"gamma": 0.9})


def taking(version: int, row: Row, *more: Row) -> Batch:
    """A batch that takes back ``row``."""
    take = row._replace(kind=TAKE, reward=0.0, feedback_id=retraction_id(row.feedback_id))
    return learned(version, take, *more)


def successes(state: State) -> list[float]:
    """Of a Beta-Bernoulli state."""
    counted: list[float] = np.asarray(getattr(state, "successes")).tolist()  # noqa: B009
    return counted


def test_a_retraction_leaves_what_was_learned_from_the_others() -> None:
    one, two, three = Row(1, 0, 1.0, 0), Row(2, 1, 1.0, 0), Row(3, 1, 1.0, 1)
    before = replayed([created(), learned(1, one, two), learned(2, three)])
    after = replayed([created(), learned(1, one, two), learned(2, three), taking(3, two)])
    assert successes(before[-1].state) == [1.0, 2.0]
    assert successes(after[-1].state) == [1.0, 1.0]
    assert after[-1].version == 3
    assert after[2].state_digest == before[2].state_digest


@pytest.mark.parametrize("ref", [BETA, DISCOUNTED, GAUSS], ids=lambda ref: ref.name)
def test_the_state_has_the_bits_of_a_ledger_without_the_reward(ref: PolicyRef) -> None:
    kept = [Row(n, n % 2, float(n % 3 == 0), n // 4) for n in range(40)]
    gone = kept[13]
    batches = [created(ref)]
    without = [created(ref)]
    for start in range(0, 40, 4):
        version = len(batches)
        batches.append(learned(version, *kept[start : start + 4]))
        without.append(
            learned(version, *(row for row in kept[start : start + 4] if row is not gone))
        )
    batches.append(taking(len(batches), gone))
    assert to_bytes(replayed(batches)[-1].state) == to_bytes(replayed(without)[-1].state)


def test_what_is_taken_back_stays_away_however_often_the_past_is_folded_again() -> None:
    rows = [Row(n, 0, 1.0, 0) for n in range(1, 6)]
    batches = [created(), *(learned(n, row) for n, row in enumerate(rows, start=1))]
    batches += [taking(6, rows[4]), taking(7, rows[0]), learned(8, Row(9, 1, 1.0, 7))]
    batches.append(taking(9, rows[2]))
    assert [successes(one.state) for one in replayed(batches)[5:]] == [
        [5.0, 0.0],
        [4.0, 0.0],
        [3.0, 0.0],
        [3.0, 1.0],
        [2.0, 1.0],
    ]


def test_changes_of_what_decides_are_made_again_between_the_rewards() -> None:
    """Growing by an arm happens where it happened, under the hyper-parameters of then."""
    grown = Control(reason="arms", configuration=Configuration(policy=BETA, n_arms=3), start="keep")
    batches = [
        created(),
        learned(1, Row(1, 0, 1.0, 0)),
        Batch(epoch=0, version=2, control=grown),
        learned(3, Row(2, 2, 1.0, 2)),
        taking(4, Row(1, 0, 1.0, 0)),
    ]
    assert successes(replayed(batches)[-1].state) == [0.0, 0.0, 1.0]


def test_a_retraction_replaces_what_closed_the_window() -> None:
    """0.25 and 0.5 were summed; without the first, 0.5 is what the window came to."""
    first = Row(1, 0, 0.25, 0, HELD, "a")
    second = first._replace(reward=0.5, feedback_id="b")
    closed = first._replace(reward=0.75, kind=CLOSED, feedback_id=CLOSE)
    again = closed._replace(reward=0.5, feedback_id=correction_id("a"))
    nothing = closed._replace(reward=0.125, kind=DEFAULT, feedback_id=correction_id("b"))
    batches = [
        created(),
        learned(1, first, second),
        learned(2, closed),
        taking(3, first, again),
        taking(4, second, nothing),
    ]
    states = [successes(one.state)[0] for one in replayed(batches)]
    assert states == [0.0, 0.0, 0.75, 0.5, 0.125]


def test_held_late_and_withdrawn_rows_teach_nothing() -> None:
    silent = [
        Row(number, 0, 1.0, 0, kind)
        for number, kind in enumerate(Disposition)
        if kind not in (Disposition.FOLDED, CLOSED, DEFAULT, TAKE)
    ]
    start, after = replayed([created(), learned(1, *silent)])
    assert to_bytes(start.state) == to_bytes(after.state)


def test_a_reset_begins_a_past_of_its_own() -> None:
    """What came before the reset is not folded again."""
    anew = Control(reason="reset", configuration=Configuration(policy=BETA, n_arms=2), start="init")
    row = Row(2, 1, 1.0, 2)
    batches = [
        created(),
        learned(1, Row(1, 0, 1.0, 0)),
        Batch(epoch=1, version=2, control=anew),
        learned(3, row, Row(3, 1, 1.0, 2), epoch=1),
    ]
    take = row._replace(kind=TAKE, feedback_id=retraction_id(""))
    batches.append(learned(4, take, epoch=1))
    assert successes(replayed(batches)[-1].state) == [0.0, 1.0]


def test_folding_without_the_past_is_refused_with_the_way_out() -> None:
    one = Row(1, 0, 1.0, 0)
    *_, now = replayed([created(), learned(1, one)])
    with pytest.raises(StateMismatch, match="Replay"):
        fold(now, taking(2, one), BundleResolver())


def test_batches_with_new_kinds_of_rows_say_so_to_older_readers() -> None:
    """The byte form of the first release stays for what it can say."""
    old, new = learned(1, Row(1, 0, 1.0, 0)), learned(1, Row(1, 0, 1.0, 0, HELD))
    assert old.to_bytes()[:5] == b"QBBT\x01"
    assert new.to_bytes()[:5] == b"QBBT\x02"
    for batch in (old, new):
        assert Batch.from_bytes(batch.to_bytes()).to_bytes() == batch.to_bytes()


def test_old_versions_are_kept_the_more_thinly_the_older_they_are() -> None:
    """At most two for each power of two of age, and the first one always."""
    kept: list[int] = []
    for version in range(1, 1001):
        kept = spaced([*kept, version])
        assert kept[0] == 1
        assert kept[-1] == version
        assert len(kept) <= 2 * 11
    ages = [1000 - version for version in kept]
    assert all(later >= earlier // 4 - 1 for earlier, later in pairwise(ages))


@settings(max_examples=60)
@given(data=st.data())
def test_random_histories_with_retractions_equal_histories_without_what_was_taken(
    data: st.DataObject,
) -> None:
    """Batches are cut anywhere; rewards are eighths, so that sums are exact in any order."""
    rewards = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=24))
    rows: list[Row] = []
    taken: set[int] = set()
    batches = [created()]
    waiting: list[Row] = []
    for number, eighths in enumerate(rewards):
        version = len(batches)
        by = data.draw(st.integers(0, version - 1))
        rows.append(Row(number, number % 2, eighths / 8, by))
        waiting.append(rows[-1])
        if data.draw(st.booleans()):
            batches.append(learned(version, *waiting))
            waiting = []
            left = [row for row in rows if row.number not in taken]
            if data.draw(st.booleans()) and left:
                gone = data.draw(st.sampled_from(left))
                taken.add(gone.number)
                batches.append(taking(version + 1, gone))
    if waiting:
        batches.append(learned(len(batches), *waiting))
    stays = [row for row in rows if row.number not in taken]
    *_, now = replayed(batches)
    *_, never = replayed([created(), *([learned(1, *stays)] if stays else [])])
    assert to_bytes(now.state) == to_bytes(never.state)
    assert replace(now.configuration) == never.configuration
