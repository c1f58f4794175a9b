"""Laws of every environment: what it deals, and that nothing else changes it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from qbrix.environments import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.registry import identifier
from qbrix.rng import stream
from qbrix.support import described, supported
from qbrix.testing.contract import expect, not_applicable, refusal

__all__ = [
    "check_blocks_have_the_declared_shapes",
    "check_cut_into_blocks_changes_nothing",
    "check_best_is_what_nobody_beats",
    "check_nothing_can_be_changed",
    "check_numbers_are_finite",
    "check_optimum_is_met",
    "check_plays_do_not_disturb_each_other",
    "check_representation_is_short",
    "check_rewards_lie_in_the_support",
    "check_shorter_play_is_a_beginning",
    "check_sizes_are_guarded",
    "check_spec_leads_back",
    "dealt",
]

HORIZON = 30
REPLICATIONS = 4
_PARTS = ("rewards", "means", "best", "contexts", "arrivals", "available")


def dealt(
    environment: Environment,
    *,
    horizon: int = HORIZON,
    replications: int = REPLICATIONS,
    block: int = 128,
    seed: int = 3,
) -> Rounds:
    """All rounds of one play, joined; at most as many as there are."""
    rounds = min(horizon, environment.length or horizon)
    rng = stream(seed, "contract", type(environment).__name__)
    blocks = environment.play(rng, replications=replications, horizon=rounds, block=block)
    return _joined(list(blocks))


def check_blocks_have_the_declared_shapes(environment: Environment) -> None:
    """A block of B rounds in R replications has float64 rewards and means (B, R, K), best (B, R),
    contexts (B, R, d) where there are features, and whole numbers and truths for the rest.
    """
    n_arms, dim = environment.n_arms, environment.dim
    horizon = min(HORIZON, environment.length or HORIZON)
    blocks = list(environment.play(stream(1), replications=REPLICATIONS, horizon=horizon, block=7))
    sizes = [len(rounds.rewards) for rounds in blocks]
    expect(sizes == _cut(horizon, by=7), f"{horizon} rounds by 7 come in blocks of {sizes}")
    rounds, lead = blocks[0], (sizes[0], REPLICATIONS)
    expect(rounds.rewards.flags.c_contiguous, "rewards are not contiguous")
    expect((rounds.contexts is not None) == bool(dim), f"contexts do not fit dim = {dim}")
    wanted: dict[str, tuple[tuple[int, ...], str]] = {
        "rewards": ((*lead, n_arms), "f"),
        "means": ((*lead, n_arms), "f"),
        "best": (lead, "f"),
        "contexts": ((*lead, dim), "f"),
        "available": ((*lead, n_arms), "b"),
    }
    for name, (shape, kind) in wanted.items():
        got = getattr(rounds, name)
        fits = got is None or (got.shape == shape and got.dtype.kind == kind)
        expect(fits, f"{name} are {_shape(got)}, expected shape {shape} of kind {kind!r}")
    if rounds.arrivals is not None:
        fits = rounds.arrivals.shape[:2] == lead and rounds.arrivals.dtype.kind == "i"
        expect(fits, f"arrivals are {_shape(rounds.arrivals)}, expected integers (B, R, c)")


def check_cut_into_blocks_changes_nothing(environment: Environment) -> None:
    """Equal generators deal equal rounds to the bit, whatever the size of the blocks."""
    whole = dealt(environment)
    for block in (1, 7, HORIZON):
        _expect_equal(whole, dealt(environment, block=block), what=f"in blocks of {block}")


def check_shorter_play_is_a_beginning(environment: Environment) -> None:
    """A shorter play is the beginning of a longer one."""
    short, long = dealt(environment, horizon=9), dealt(environment)
    for name in ("rewards", "means", "contexts"):
        part, whole = getattr(short, name), getattr(long, name)
        same = part is None or np.array_equal(part, whole[: len(part)])
        expect(same, f"{name} of the first 9 rounds depend on how many follow")


def check_plays_do_not_disturb_each_other(environment: Environment) -> None:
    """Two plays at a time, and one after the other, deal what each deals alone."""
    alone = dealt(environment)
    horizon = len(alone.rewards)
    rng = [stream(seed, "contract", type(environment).__name__) for seed in (3, 4)]
    plays = [
        environment.play(item, replications=REPLICATIONS, horizon=horizon, block=5) for item in rng
    ]
    first, second = zip(*zip(*plays, strict=True), strict=True)
    _expect_equal(alone, _joined(list(first)), what="beside another play")
    _expect_equal(dealt(environment, seed=4), _joined(list(second)), what="beside another play")


def check_numbers_are_finite(environment: Environment) -> None:
    """Rewards, means and contexts are finite; an arrival is −1 or later."""
    rounds = dealt(environment)
    for name in ("rewards", "means", "best", "contexts"):
        value = getattr(rounds, name)
        expect(value is None or np.isfinite(value).all(), f"{name} contain a number not finite")
    if rounds.arrivals is not None:
        expect((rounds.arrivals >= -1).all(), "arrivals contain a number below -1")


def check_rewards_lie_in_the_support(environment: Environment) -> None:
    """Every reward lies in the support that is declared."""
    rewards = dealt(environment, replications=50).rewards
    good = supported(rewards, environment.reward)
    expect(
        good.all(),
        f"a reward is {rewards[~good].flat[:1]}, expected {described(environment.reward)}",
    )


def check_best_is_what_nobody_beats(environment: Environment) -> None:
    """`best` is, to the bit, the largest mean of the arms that may be chosen; with a fixed
    comparator it is the mean of the one arm whose sum over the play is the largest.
    """
    rounds = dealt(environment)
    means = rounds.means
    if rounds.available is not None:
        expect(rounds.available.any(-1).all(), "a round has no arm that may be chosen")
        means = np.where(rounds.available, means, -np.inf)
    if environment.comparator == "round":
        wrong = rounds.best != means.max(-1)
        expect(not wrong.any(), f"best differs from the largest mean in {wrong.sum()} rounds")
        return
    sums = means.sum(0)
    matches = (means == rounds.best[..., np.newaxis]).all(0)
    held = (matches & (sums >= sums.max(-1, keepdims=True) - 1e-9)).any(-1)
    expect(held.all(), "best is not the mean of the arm with the largest sum")


def check_optimum_is_met(environment: Environment) -> None:
    """Where an optimum is declared, it is the best of every round."""
    if environment.optimum is None:
        not_applicable("no optimum is declared, the best of a round varies")
    best = dealt(environment).best
    error = float(np.abs(best - np.float64(environment.optimum or 0.0)).max())
    expect(error <= 1e-12, f"optimum = {environment.optimum}, best of a round is off by {error}")


def check_spec_leads_back(environment: Environment) -> None:
    """A spec that went through JSON has a versioned id and makes an equal environment with the same
    rounds; one that only names its data makes the same or is refused.
    """
    spec = json.loads(json.dumps(environment.spec(), allow_nan=False))
    expect(spec["id"] == identifier(type(environment)), f"id is {spec['id']!r}")
    kind = type(environment)
    if not environment.self_contained:
        with refusal(InvalidParameter, naming="digest", of="a spec without its data"):
            kind.from_parameters(spec["parameters"])
        return
    again = kind.from_parameters(spec["parameters"])
    expect(again.spec() == environment.spec(), "the spec of what it makes is another one")
    expect(again == environment, "what it makes is not equal to it")
    expect(hash(again) == hash(environment), "the hash of what it makes is another one")
    _expect_equal(dealt(environment), dealt(again), what="made from the spec")


def check_nothing_can_be_changed(environment: Environment) -> None:
    """Arrays that it holds are read-only: an environment is a description, not a state."""
    open_arrays = [
        name
        for name, value in vars(environment).items()
        if isinstance(value, np.ndarray) and value.flags.writeable
    ]
    expect(not open_arrays, f"writeable: {', '.join(open_arrays)}")


def check_representation_is_short(environment: Environment) -> None:
    """Its representation is one line of at most 200 characters and begins with its name."""
    shown = repr(environment)
    fits = len(shown) <= 200 and "\n" not in shown and shown.startswith(type(environment).__name__)
    expect(fits, f"it is {shown[:250]!r}")


def check_sizes_are_guarded(environment: Environment) -> None:
    """Sizes below 1, and more rounds than there are, are refused by name."""
    for name in ("replications", "horizon", "block"):
        sizes = {"replications": 2, "horizon": 3, "block": 1, name: 0}
        with refusal(InvalidParameter, naming=name, of=f"{name} = 0"):
            environment.play(stream(1), **sizes)
    if environment.length is not None:
        beyond = environment.length + 1
        with refusal(InvalidParameter, naming="horizon", of=f"horizon = {beyond}"):
            environment.play(stream(1), replications=1, horizon=beyond)


def _joined(blocks: list[Rounds]) -> Rounds:
    def part(name: str) -> Any:
        values = [getattr(rounds, name) for rounds in blocks]
        return None if values[0] is None else np.concatenate(values)

    return Rounds(**{name: part(name) for name in _PARTS})


def _cut(horizon: int, *, by: int) -> list[int]:
    return [min(by, horizon - start) for start in range(0, horizon, by)]


def _expect_equal(one: Rounds, other: Rounds, *, what: str) -> None:
    for name in _PARTS:
        a, b = getattr(one, name), getattr(other, name)
        same = (a is None) == (b is None) and (a is None or np.array_equal(a, b))
        expect(same, f"{name} differ {what}")


def _shape(array: Any) -> str:
    return "absent" if array is None else f"{array.dtype} of shape {array.shape}"
