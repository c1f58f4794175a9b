"""What roles of earlier versions wrote is read by these, and what later ones may add is borne.

Each file of `data` was made by the code of the commit in its name (see `make`): a rolling restart
has both versions at once, over the same streams, states, tokens and ledger.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from qbrix.bundle import BundleResolver
from qbrix.ledger import Batch, Replay
from qbrix.state import to_bytes
from serving.storage import codec
from serving.storage.base import DecisionEvent, FeedbackEvent
from serving.tokens import TokenSealer
from serving.wire.selection import Outcome, Query

DAY_S = 86_400.0
FILES = sorted((Path(__file__).parent / "data").glob("written_by_*.json"))
# What a message of today has and one of the oldest commit did not.
ADDED: dict[type[Any], dict[str, Any]] = {
    FeedbackEvent: {"request": ""},
    DecisionEvent: {"sampling": 1.0, "recorded": ()},
}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def written(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Everything that one commit's roles left."""
    found: dict[str, Any] = json.loads(request.param.read_text("utf-8"))
    return found


def fields_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def plain(told: dict[str, Any]) -> dict[str, Any]:
    """The words of a file as the values of a message."""
    found = dict(told) | {"context": b64decode(told["context"])}
    if "recorded" in found:
        found["recorded"] = tuple(found["recorded"])
    return found


def test_there_are_files_of_earlier_commits() -> None:
    assert len(FILES) >= 2


def test_entries_of_the_streams_are_read(written: dict[str, Any]) -> None:
    told = written["feedback"]
    (event,) = codec.unpack_feedback(b64decode(told["bytes"]))
    assert fields_of(event) == ADDED[FeedbackEvent] | plain(told["plain"])
    told = written["decisions"]
    (decision,) = codec.unpack_decisions(b64decode(told["bytes"]))
    assert fields_of(decision) == ADDED[DecisionEvent] | plain(told["plain"])


def test_tokens_that_clients_hold_are_opened(written: dict[str, Any]) -> None:
    told = written["token"]
    decided_s = told["plain"]["decided_ms"] / 1000
    sealer = TokenSealer([b64decode(written["token_key"])], clock=lambda: decided_s + DAY_S)
    token = sealer.open(told["text"], tenant=told["plain"]["tenant"])
    assert fields_of(token) == plain(told["plain"])


@pytest.mark.parametrize("policy", ["BetaTSPolicy@1", "EXP3Policy@1", "LinUCBPolicy@1"])
def test_a_ledger_folds_to_the_same_digests_and_states(
    written: dict[str, Any], policy: str
) -> None:
    told = written["ledgers"][policy]
    state = codec.unpack_state(b64decode(told["state"]))
    replay = Replay(state.experiment, BundleResolver())
    for one in told["batches"]:
        data = b64decode(one["batch"])
        batch = Batch.from_bytes(data)
        assert batch.to_bytes() == data
        made = replay.take(batch)
        assert made.ledger_digest == one["ledger_digest"]
        assert made.state_digest == one["state_digest"]
    now = replay.now
    assert now is not None
    assert to_bytes(now.state) == state.state
    assert now.configuration.to_json() == state.configuration
    context = None if told["context"] is None else np.array(told["context"])
    np.testing.assert_allclose(
        now.decider().propensities(context), told["propensities"], rtol=0.0, atol=1e-12
    )


@pytest.mark.parametrize("kind", [FeedbackEvent, DecisionEvent])
def test_a_field_is_only_ever_added_at_the_end(written: dict[str, Any], kind: type[Any]) -> None:
    """An earlier reader takes what it knows of an array, and leaves the rest."""
    told = written["feedback" if kind is FeedbackEvent else "decisions"]
    (array,) = msgspec.msgpack.decode(b64decode(told["bytes"])[1:])
    unpack: Callable[[bytes], list[Any]]
    unpack = codec.unpack_feedback if kind is FeedbackEvent else codec.unpack_decisions
    (now,) = msgspec.msgpack.decode(msgspec.msgpack.encode(unpack(b64decode(told["bytes"]))))
    assert now[: len(array)] == array


def test_a_reader_bears_what_later_writers_add(written: dict[str, Any]) -> None:
    for name, unpack in (
        ("feedback", codec.unpack_feedback),
        ("decisions", codec.unpack_decisions),
    ):
        data = b64decode(written[name]["bytes"])
        before = unpack(data)
        (fields,) = msgspec.msgpack.decode(msgspec.msgpack.encode(before))
        later = data[:1] + msgspec.msgpack.encode([[*fields, "of a later version"]])
        assert unpack(later) == before
    for told in written["ledgers"].values():
        data = b64decode(told["state"])
        more = msgspec.msgpack.decode(data[1:]) | {"of_a_later_version": 1}
        assert codec.unpack_state(data[:1] + msgspec.msgpack.encode(more)) == codec.unpack_state(
            data
        )


@pytest.mark.parametrize(
    "said",
    [
        Query("tenant", "experiment", "decision", b"context", "request"),
        Outcome(1, 0.375, 0.25, 0.5, (0.5,), 1, 9, 20),
    ],
)
def test_what_proxy_and_motor_say_may_grow_at_its_end(said: Query | Outcome) -> None:
    later = [*msgspec.msgpack.decode(msgspec.msgpack.encode(said)), "of a later version"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(later), type=type(said)) == said
