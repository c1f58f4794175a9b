"""Verification of a bundle, and the certificate that it earns."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from qbrix.bundle.html import facts_table
from qbrix.bundle.replay import Replay
from qbrix.bundle.source import foreign_code
from qbrix.errors import BundleError, QbrixError

if TYPE_CHECKING:
    from qbrix.bundle.format import Bundle

__all__ = ["Certificate", "host_versions", "verify"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """Proof that a bundle's golden trace came out the same on some host.

    Attributes
    ----------
    bundle : str
        SHA-256 of the bundle's bytes.
    policy : str
        Behaviour-versioned id.
    steps, updates : int
        Decisions and batches replayed.
    max_propensity_error, max_state_error : float
        Largest absolute difference; state errors are 0 when bits are exact.
    near_ties : int
        Steps whose law was on the other side of a jump.
    final_digest : str
        Digest of the recorded state after the last batch.
    host : dict
        Versions and platform that replayed it.
    verified_at : str
        ISO-8601, UTC.
    seconds : float
        Duration of the replay.
    """

    bundle: str
    policy: str
    steps: int
    updates: int
    max_propensity_error: float
    max_state_error: float
    near_ties: int
    final_digest: str
    host: dict[str, str]
    verified_at: str
    seconds: float

    def to_json(self) -> str:
        """Canonical JSON, beginning with its format."""
        return json.dumps({"format": 1, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read `to_json`."""
        read = json.loads(text)
        if read.pop("format", None) != 1:
            raise BundleError("format", "the certificate is not of format 1")
        return cls(**read)

    def _repr_html_(self) -> str:
        host = ", ".join(f"{name} {text}" for name, text in self.host.items())
        replayed = f"{self.steps} steps, {self.updates} updates, in {self.seconds:.2f} s"
        error = f"at most {self.max_propensity_error:.1e}"
        states = (
            "equal to the bit" if self.max_state_error == 0.0 else f"{self.max_state_error:.1e}"
        )
        return facts_table(
            [
                ("bundle", self.bundle[:12]),
                ("policy", self.policy),
                ("golden trace", replayed),
                ("states", states),
                ("propensities differ by", error),
                ("verified", f"{self.verified_at} on {host}"),
            ]
        )


def verify(bundle: Bundle) -> Certificate:
    """Replay the golden trace of ``bundle`` in this process; this runs the policy's code.

    Raises
    ------
    BundleError
        ``trace`` when it does not come out the same, ``source`` when the code cannot be loaded.
    """
    began = time.perf_counter()
    policy = bundle.policy()
    manifest = bundle.manifest
    trace = bundle.trace()
    try:
        with foreign_code("trace", doing=f"{manifest.policy.name}, replaying its golden trace,"):
            start = bundle.state()
            if start is None:
                start = policy.init(n_arms=manifest.n_arms, dim=manifest.dim)
            replay = Replay(policy, trace)
            replay.run(start)
    except BundleError:
        raise
    except QbrixError as error:
        raise BundleError("trace", f"replaying the golden trace: {error}") from error
    return Certificate(
        bundle=bundle.sha256,
        policy=manifest.policy.id,
        steps=len(trace),
        updates=trace.updates,
        max_propensity_error=replay.max_propensity_error,
        max_state_error=replay.max_state_error,
        near_ties=replay.near_ties,
        final_digest=trace.digests[-1],
        host=host_versions(),
        verified_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        seconds=round(time.perf_counter() - began, 6),
    )


def host_versions() -> dict[str, str]:
    """Versions of what computes here, and the platform."""
    from importlib.metadata import version

    import qbrix

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": version("scipy"),
        "qbrix": qbrix.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
    }
