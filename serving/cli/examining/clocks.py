"""Whether the stores know what time it is."""

from __future__ import annotations

from serving.cli.examining.finding import Finding, fail, ok, warn
from serving.storage.clocks import ClockOffset

__all__ = ["examine_clock"]

_ODD_S, _WRONG_S = 1.0, 5.0
_MEND = "let both follow a time server (chrony, ntpd): windows and tokens end by these clocks"


def examine_clock(store: str, offset: ClockOffset) -> Finding:
    """Only what is certain counts: a slow answer says little about the clock."""
    name = f"{store}'s clock"
    told = f"{offset.ahead_s:+.3f} s from this machine's, ± {offset.within_s:.3f} s"
    if offset.certain_s < _ODD_S:
        return ok(name, told)
    return (warn if offset.certain_s < _WRONG_S else fail)(name, told, _MEND)
