"""qbrix: write a bandit policy, race it in simulation, export it, serve it unchanged.

::

    import qbrix
    from qbrix.environments import Bernoulli

    result = qbrix.simulate(
        [qbrix.get("beta_ts")(), qbrix.get("klucb")()],
        Bernoulli([0.9, 0.8]), horizon=1000, replications=100, seed=1,
    )
    result.summary()

Names and rooms of this module (``qbrix.environments``, ``qbrix.testing`` …) load on first use, so
``import qbrix`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qbrix.bundle import Bundle, load
    from qbrix.bundle.export import export
    from qbrix.client import Client
    from qbrix.evaluation import LoggedData
    from qbrix.magic import load_ipython_extension as load_ipython_extension
    from qbrix.policies import Capabilities, Policy, ScalarPolicy, get
    from qbrix.policies.catalogue import catalogue
    from qbrix.simulator import (
        GridResult,
        IdentificationResult,
        Schedule,
        SimulationResult,
        TuningResult,
        identify,
        simulate,
        sweep,
        tune,
    )

__all__ = [
    "Bundle",
    "Capabilities",
    "Client",
    "GridResult",
    "IdentificationResult",
    "LoggedData",
    "Policy",
    "ScalarPolicy",
    "Schedule",
    "SimulationResult",
    "TuningResult",
    "catalogue",
    "export",
    "get",
    "identify",
    "load",
    "simulate",
    "sweep",
    "tune",
]

__version__ = "0.1.0"
__distribution__ = "qbrix-lab"

_HOMES = {
    "Bundle": "qbrix.bundle",
    "Capabilities": "qbrix.policies",
    "Client": "qbrix.client",
    "GridResult": "qbrix.simulator",
    "IdentificationResult": "qbrix.simulator",
    "LoggedData": "qbrix.evaluation",
    "Policy": "qbrix.policies",
    "ScalarPolicy": "qbrix.policies",
    "Schedule": "qbrix.simulator",
    "SimulationResult": "qbrix.simulator",
    "TuningResult": "qbrix.simulator",
    "catalogue": "qbrix.policies.catalogue",
    "export": "qbrix.bundle",
    "get": "qbrix.policies",
    "identify": "qbrix.simulator",
    "load": "qbrix.bundle",
    "load_ipython_extension": "qbrix.magic",
    "simulate": "qbrix.simulator",
    "sweep": "qbrix.simulator",
    "tune": "qbrix.simulator",
}
_ROOMS = (
    "bundle",
    "client",
    "context",
    "environments",
    "errors",
    "evaluation",
    "ledger",
    "plots",
    "policies",
    "simulator",
    "testing",
    "theory",
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"qbrix.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'qbrix' has no attribute {name!r}", name=name)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})


def _refuse_namesake() -> None:
    """Two distributions that both bring a package ``qbrix`` overwrite each other's files."""
    try:
        version = distribution("qbrix").version
    except PackageNotFoundError:
        return
    raise ImportError(
        f"this environment holds the distribution qbrix {version}, a client SDK whose package is "
        f"also called qbrix, beside {__distribution__}; keep one of them: "
        f"pip uninstall qbrix && pip install --force-reinstall --no-deps {__distribution__}"
    )


_refuse_namesake()
