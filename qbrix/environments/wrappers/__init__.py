"""Wrappers that make any environment like production: one file each.

They nest, and read from the inside out:

>>> from qbrix.environments import Bernoulli
>>> Delayed(MissingFeedback(Bernoulli([0.9, 0.8]), rate=0.2), delay=300, law="exponential").depth
1

When the policy learns what has arrived, and who decides with it meanwhile, says
`qbrix.simulator.Schedule`.
"""

from __future__ import annotations

from qbrix.environments.wrappers.arms import ArmsComeAndGo
from qbrix.environments.wrappers.base import Wrapper
from qbrix.environments.wrappers.delayed import Delayed
from qbrix.environments.wrappers.duplicated import Duplicated
from qbrix.environments.wrappers.missing import MissingFeedback
from qbrix.environments.wrappers.noisy import Noisy
from qbrix.environments.wrappers.scaled import Scaled

__all__ = [
    "ArmsComeAndGo",
    "Delayed",
    "Duplicated",
    "MissingFeedback",
    "Noisy",
    "Scaled",
    "Wrapper",
]
