"""Memory does not grow with the horizon."""

from __future__ import annotations

from benchmarks.memory import MOST_BYTES, measured


def test_ten_times_the_rounds_take_no_more_memory_and_both_stay_below_500_megabytes() -> None:
    """Traces are kept at about 100 checkpoints, rounds in blocks: neither knows the horizon.

    8 MB of slack for what the allocator keeps. A million rounds hold what 3000 do.
    """
    (short, _), (long, _) = measured(300), measured(3000)
    assert long < MOST_BYTES
    assert long - short < 8_000_000
