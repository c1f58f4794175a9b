"""Other libraries on the same workloads: decisions a second of those that can be imported.

A script of its own, because their requirements are not ours: ``python -P peers.py`` prints JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from time import process_time
from typing import Any

import numpy as np

N_ARMS, DIM = 10, 20
MEANS = np.arange(1, 11) * 0.05
PEERS = ("pymab", "mabwiser", "river", "contextualbandits")

# Name of our policy, and a function that plays and says how many decisions it made.
Case = tuple[str, Callable[[], int]]


def pymab_cases() -> Iterator[Case]:
    """A compiled simulator; its regret curves are computed, too, as ours are."""
    pymab, own = import_module("pymab"), import_module("pymab.policies")
    plain = pymab.BanditEnvironment(means=MEANS, reward_model=pymab.BernoulliReward())
    linear = pymab.LinearContextualEnvironment(
        theta=np.random.default_rng(1).standard_normal((N_ARMS, DIM)),
        context_provider=pymab.GaussianContextProvider(n_arms=N_ARMS, n_features=DIM),
    )

    def played(environment: Any, policy: Any, runs: int) -> Callable[[], int]:
        config = pymab.ExperimentConfig(horizon=10_000, n_replicates=runs, seed=1)

        def play() -> int:
            pymab.Experiment(environment=environment, policies={"it": policy}, config=config).run()
            return 10_000 * runs

        return play

    k = {"n_arms": N_ARMS}
    for name, policy in (
        ("BetaTSPolicy", own.BernoulliThompsonSamplingPolicy(**k)),
        ("UCB1Policy", own.UCBPolicy(**k)),
        ("KLUCBPolicy", own.KLUCBPolicy(**k, c=1e-9)),
        ("EpsilonPolicy", own.EpsilonGreedyPolicy(**k, epsilon=0.1)),
        ("EXP3Policy", own.EXP3Policy(**k, gamma=0.1)),
    ):
        yield name, played(plain, policy, 20)
    k["n_features"] = DIM
    yield "LinUCBPolicy", played(linear, own.LinUCBPolicy(**k), 1)
    yield "LinTSPolicy", played(linear, own.LinearThompsonSamplingPolicy(**k), 1)


def mabwiser_cases() -> Iterator[Case]:
    """One object per run; predict and partial_fit in turns."""
    mab = import_module("mabwiser.mab")
    learn = mab.LearningPolicy

    def played(policy: Any, *, contexts: bool, rounds: int) -> Callable[[], int]:
        def play() -> int:
            rng = np.random.default_rng(1)
            bandit = mab.MAB(list(range(N_ARMS)), policy)
            arms, x = list(range(N_ARMS)), rng.standard_normal((rounds + N_ARMS, DIM))
            history = {"contexts": x[:N_ARMS]} if contexts else {}
            bandit.fit(arms, [0] * N_ARMS, **history)
            for row in x[N_ARMS:]:
                known = {"contexts": row[np.newaxis]} if contexts else {}
                arm = bandit.predict(**known)
                bandit.partial_fit([arm], [int(rng.random() < MEANS[arm])], **known)
            return rounds

        return play

    yield "BetaTSPolicy", played(learn.ThompsonSampling(), contexts=False, rounds=2000)
    yield "UCB1Policy", played(learn.UCB1(), contexts=False, rounds=2000)
    yield "EpsilonPolicy", played(learn.EpsilonGreedy(0.1), contexts=False, rounds=2000)
    yield "LinUCBPolicy", played(learn.LinUCB(), contexts=True, rounds=1000)
    yield "LinTSPolicy", played(learn.LinTS(), contexts=True, rounds=300)


def river_cases() -> Iterator[Case]:
    """One object per run; pull and update in turns."""
    bandit, proba = import_module("river.bandit"), import_module("river.proba")

    def played(make: Callable[[], Any], *, contexts: bool, rounds: int) -> Callable[[], int]:
        def play() -> int:
            rng = np.random.default_rng(1)
            policy, arms = make(), list(range(N_ARMS))
            names = [f"x{i}" for i in range(DIM)]
            for row in rng.standard_normal((rounds, DIM)):
                known = {"context": dict(zip(names, row, strict=True))} if contexts else {}
                arm = policy.pull(arms, **known)
                reward = bool(rng.random() < MEANS[arm])
                if contexts:
                    policy.update(arm, known["context"], float(reward))
                else:
                    policy.update(arm, reward)
            return rounds

        return play

    for name, make in (
        ("BetaTSPolicy", lambda: bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=1)),
        ("UCB1Policy", lambda: bandit.UCB(delta=1.0, seed=1)),
        ("EpsilonPolicy", lambda: bandit.EpsilonGreedy(epsilon=0.1, seed=1)),
        ("EXP3Policy", lambda: bandit.Exp3(gamma=0.1, seed=1)),
    ):
        yield name, played(make, contexts=False, rounds=3000)
    yield (
        "LinUCBPolicy",
        played(lambda: bandit.LinUCBDisjoint(alpha=1.0, seed=1), contexts=True, rounds=300),
    )


def contextualbandits_cases() -> Iterator[Case]:
    """One object per run; predict and partial_fit in turns."""
    online = import_module("contextualbandits.online")

    def played(make: Callable[[], Any]) -> Callable[[], int]:
        def play() -> int:
            rng, rounds = np.random.default_rng(1), 1000
            policy = make()
            x = rng.standard_normal((rounds + N_ARMS, DIM))
            policy.fit(x[:N_ARMS], np.arange(N_ARMS), np.zeros(N_ARMS))
            for row in x[N_ARMS:]:
                arm = np.asarray(policy.predict(row[np.newaxis]))
                reward = np.array([float(rng.random() < MEANS[int(arm[0])])])
                policy.partial_fit(row[np.newaxis], arm, reward)
            return rounds

        return play

    yield "LinUCBPolicy", played(lambda: online.LinUCB(N_ARMS, random_state=1))
    yield "LinTSPolicy", played(lambda: online.LinTS(N_ARMS, random_state=1))


CASES = {
    "pymab": pymab_cases,
    "mabwiser": mabwiser_cases,
    "river": river_cases,
    "contextualbandits": contextualbandits_cases,
}


def measured(*, turns: int = 3) -> dict[str, dict[str, Any]]:
    """Per peer its version and the best of some turns in decisions a second, per policy of ours."""
    found: dict[str, dict[str, Any]] = {}
    for peer in PEERS:
        try:
            import_module(peer)
        except ImportError:
            continue
        rates = {}
        for name, play in CASES[peer]():
            play()
            rates[name] = max(_rate(play) for _ in range(turns))
        found[peer] = {"version": version(peer), "decisions_per_s": rates}
    return found


def _rate(play: Callable[[], int]) -> float:
    begin = process_time()
    decisions = play()
    return decisions / (process_time() - begin)


if __name__ == "__main__":
    print(json.dumps(measured()))
