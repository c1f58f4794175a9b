"""Compiled loops for `Policy.play`: many rounds of many replications in one call.

A kernel decides and learns round after round and, within a round, replication after replication.
Policies import theirs inside ``play``: who only decides and serves never loads the compiler. A
kernel runs on one core; parallelism belongs to the executor of a race.

Every round has a random stream of its own, seeded by the caller's generator (`chance.streams`). So
neither the cut of a race into blocks nor its length changes what is drawn in a round.
"""

from __future__ import annotations
