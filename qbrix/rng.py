"""Named random streams: every consumer of randomness has its own, addressed by words.

A stream depends on the seed and its own name only. Adding a policy to a race, or an arm to a
report, never changes the numbers that another one sees.
"""

from __future__ import annotations

import hashlib

import numpy as np

from qbrix.checks import check_integer

__all__ = ["stream"]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The generator that belongs to ``seed`` and a path of names.

    Parameters
    ----------
    seed : int
        Any integer ≥ 0.
    *names : str or int
        The path, e.g. ``stream(7, "environment", 0)``.

    Examples
    --------
    >>> a = stream(7, "policy", "greedy").random()
    >>> b = stream(7, "policy", "greedy").random()
    >>> a == b, a == stream(7, "policy", "random").random()
    (True, False)
    """
    check_integer(seed, name="seed", least=0)
    path = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
    words = np.frombuffer(hashlib.blake2b(path.encode(), digest_size=16).digest(), dtype="<u4")
    entropy = np.random.SeedSequence([int(seed), *(int(word) for word in words)])
    return np.random.Generator(np.random.SFC64(entropy))
