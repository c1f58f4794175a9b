"""Arms whose means change: at once, by and by, in seasons, or with their items."""

from __future__ import annotations

import numpy as np

from benchmarks.regret.scenario import Reference, Scenario, Size
from benchmarks.regret.worlds import CHANGING, policies_of
from qbrix.environments import Drifting, ItemReplacement, Seasonal
from qbrix.policies.discounted_ucb import DiscountedUCBPolicy
from qbrix.policies.oracle_restart import OracleRestartPolicy

__all__ = ["NON_STATIONARY"]

NON_STATIONARY = [
    Scenario(
        id="changing-three-arms-1",
        title="Three arms, four changes in 5000 rounds",
        environment=CHANGING,
        policies=[
            *policies_of(
                "beta_ts ucb_alpha(alpha=1.0) sliding_window_ucb(tau=206) "
                "discounted_ts(gamma=0.99) exp3_s(gamma=0.1,alpha=0.0002) cusumucb mucb"
            ),
            DiscountedUCBPolicy(gamma=float(1.0 - 0.25 * np.sqrt(4.0 / 5000.0))),
            OracleRestartPolicy(changes="1000 2000 3000 4000"),
        ],
        full=Size(horizon=5000, replications=500),
        quick=Size(horizon=1500, replications=30),
        references={
            "BetaTS": Reference(495.5, error=5.2),
            "OracleRestart(changes=1000 2000 3000 4000)": Reference(49.1, error=0.4),
            "UCBAlpha": Reference(275.8, error=2.0),
            "DiscountedUCB(gamma=0.992929)": Reference(512.6, error=0.5),
            "SlidingWindowUCB(tau=206)": Reference(212.1, error=0.5),
            "DiscountedTS(gamma=0.99)": Reference(186.3, error=0.4),
        },
    ),
    Scenario(
        id="changing-three-arms-detected-1",
        title="The same changes, detected by likelihood ratios",
        environment=CHANGING,
        policies=policies_of("glrklucb restart"),
        full=Size(horizon=5000, replications=100),
        quick=Size(horizon=1200, replications=10),
    ),
    Scenario(
        id="drifting-1",
        title="Five wandering arms",
        environment=Drifting([0.3, 0.4, 0.5, 0.6, 0.7], step=0.01),
        policies=policies_of(
            "beta_ts sliding_window_ucb(tau=200) discounted_ts(gamma=0.99) exp3_s"
        ),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="seasonal-1",
        title="Two arms that are best by turns of 500 rounds",
        environment=Seasonal([0.5, 0.5], amplitudes=0.3, periods=1000, phases=[0.0, 0.5]),
        policies=policies_of("beta_ts sliding_window_ucb(tau=200) discounted_ts(gamma=0.99)"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=1000, replications=50),
    ),
    Scenario(
        id="item-replacement-1",
        title="Ten items that live 1000 rounds on average: Chapelle and Li (2011)",
        environment=ItemReplacement(n_arms=10, rate=1e-3),
        policies=policies_of("random beta_ts ucb_alpha(alpha=1.0) discounted_ts(gamma=0.99)"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
]
