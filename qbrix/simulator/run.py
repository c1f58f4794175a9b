"""`simulate`: a race of policies through the same rounds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np

from qbrix.environments import Environment
from qbrix.simulator.metrics import joined
from qbrix.simulator.plan import Plan, Policies, planned
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.schedule import Schedule
from qbrix.simulator.shelf import shelf_in
from qbrix.simulator.spread import Pieces, perform
from qbrix.state import State, arrays_of

__all__ = ["assembled", "simulate"]


def simulate(  # noqa: PLR0913 (each is one plain choice; bundling them would hide them)
    policies: Policies,
    environment: Environment,
    *,
    horizon: int | None = None,
    replications: int = 100,
    seed: int = 0,
    schedule: Schedule | None = None,
    checkpoints: int | Sequence[int] = 100,
    keep_states: bool = False,
    executor: Executor | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> SimulationResult:
    """Let policies play the same rounds and report what each of them gave away.

    Parameters
    ----------
    policies : Policy, sequence of policies, or mapping of label to policy
        In a sequence the label is the name and what differs from its defaults.
    environment : Environment
        Its reward support must not be wider than what a policy declares.
    horizon : int >= 1, optional
        T; the environment's length by default.
    replications : int >= 1, default 100
        R independent repetitions; confidence intervals come from their spread.
    seed : int >= 0, default 0
        Everything random follows from it. The environment has a stream of its own and so has every
        label: adding or removing a policy changes nothing for the others.
    schedule : Schedule, optional
        Delay and batches of learning; by default each reward is learned before the next decision.
    checkpoints : int or increasing sequence of rounds, default 100
        Where cumulative numbers are kept: about so many rounds, or just these.
    keep_states : bool, default False
        Keep the final states, with leading axis R, as ``result.states``.
    executor : concurrent.futures.Executor, optional
        Where to play: a process pool, a Dask client's ``get_executor()``; in this process by
        default. Every policy goes there by itself, in units of at most 1000 replications. It
        changes the time that a race takes and nothing else.
    folder : path, optional
        Keep what is finished in this folder and take from it what is there: a race that was
        interrupted or killed goes on where it was.
    progress : bool, default True
        Show a bar in a notebook or terminal.

    Returns
    -------
    SimulationResult
        An interrupt (Ctrl-C) ends the race early: the result then covers the replications that
        every policy has finished, or the checkpoints that all have passed, and says so.

    Raises
    ------
    SupportError, InvalidParameter, ShapeError
        Naming the policy or argument that does not fit.

    Examples
    --------
    >>> import qbrix
    >>> from qbrix.environments import Bernoulli
    >>> race = [qbrix.get("random")(), qbrix.get("beta_ts")()]
    >>> result = qbrix.simulate(race, Bernoulli([0.9, 0.5]), horizon=200, replications=20, seed=1)
    >>> list(result.summary().index)
    ['BetaTS', 'Random']
    """
    plan = planned(
        policies,
        environment,
        horizon=horizon,
        replications=replications,
        seed=seed,
        schedule=schedule,
        checkpoints=checkpoints,
        keep_states=keep_states,
    )
    pieces = perform(plan.tasks(), executor=executor, shelf=shelf_in(folder), progress=progress)
    result = assembled(plan, pieces)
    if result is None:
        raise KeyboardInterrupt
    if result.interrupted:
        warnings.warn(_told(plan, result, pieces), RuntimeWarning, stacklevel=2)
    return result


def assembled(plan: Plan, units: Sequence[Pieces]) -> SimulationResult | None:
    """The result of what was finished; None when that is nothing.

    After an interrupt it covers the units that every policy finished. When there is none, it covers
    the first unit up to the last checkpoint that every policy has passed.
    """
    started = [pieces for pieces in units if len(pieces) == len(plan.policies)]
    whole = [p for p in started if all(piece.rounds == plan.horizon for piece in p.values())]
    used = whole or started[:1]
    if not used:
        return None
    reached = min(piece.trace.regret.shape[1] for pieces in used for piece in pieces.values())
    if not reached:
        return None
    interrupted = len(whole) < len(units)
    traces = {
        label: joined([pieces[label].trace.until(reached) for pieces in used])
        for label in plan.policies
    }
    return SimulationResult(
        policies=plan.policies,
        environment=plan.environment,
        horizon=int(plan.marks[reached - 1]),
        replications=len(next(iter(traces.values())).regret),
        seed=plan.seed,
        schedule=plan.schedule,
        checkpoints=plan.marks[:reached],
        traces=traces,
        interrupted=interrupted,
        states=_states(plan, used) if plan.keep_states and not interrupted else None,
    )


def _states(plan: Plan, units: Sequence[Pieces]) -> dict[str, State]:
    return {
        label: _joined_states([state for u in units if (state := u[label].state) is not None])
        for label in plan.policies
    }


def _joined_states(states: Sequence[State]) -> State:
    first = states[0]
    if len(states) == 1:
        return first
    names = [name for name, _ in arrays_of(first)]
    return type(first)(**{n: np.concatenate([getattr(s, n) for s in states]) for n in names})


def _told(plan: Plan, result: SimulationResult, units: Sequence[Pieces]) -> str:
    if result.horizon == plan.horizon:
        return (
            f"interrupted; the result covers {result.replications} of "
            f"{plan.replications} replications"
        )
    done = min(piece.rounds for pieces in units for piece in pieces.values())
    covered = "" if len(units) == 1 else f" of {result.replications} replications"
    return (
        f"interrupted after {done} of {plan.horizon} rounds{covered}; "
        f"the result ends at round {result.horizon}"
    )
