"""``python tests/compat/make.py COMMIT FILE``: what the code on PYTHONPATH writes, for later code.

Run with a checkout of that commit first on PYTHONPATH. It uses only what every commit had since
the stores exist, so that the files of `data` can be made again, and new ones of later commits.
Each value is given twice: in bytes as it is stored or sent, and in plain words.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

from qbrix.bundle import BundleResolver
from qbrix.ledger import Batch, Configuration, Control, Deployment, PolicyRef, Rows, fold, genesis
from serving.publishing import state_record
from serving.storage import codec
from serving.storage.records import DecisionEvent, FeedbackEvent
from serving.tokens import DecisionToken, TokenSealer

DECIDED_MS = 1_795_000_000_000
TENANT = "7e" * 16
TOKEN_KEY = bytes(range(32))
KINDS: tuple[tuple[str, int, dict[str, Any], dict[str, Any]], ...] = (
    ("BetaTSPolicy@1", 0, {}, {"alpha_prior": 2.0}),
    ("EXP3Policy@1", 0, {}, {"gamma": 0.25}),
    ("LinUCBPolicy@1", 2, {}, {"alpha": 0.5}),
)


def _id(number: int) -> str:
    return f"{number:032x}"


def _rows(start: int, *, version: int, dim: int) -> Rows:
    n = 4
    numbers = np.arange(start, start + n)
    return Rows(
        decision_ids=tuple(_id(number) for number in numbers.tolist()),
        feedback_ids=("", "", "second", ""),
        arms=numbers % 3,
        rewards=numbers % 5 / 4.0,
        u=np.full(n, 0.375),
        low=np.full(n, 0.25),
        propensities=np.full(n, 0.5),
        state_versions=np.full(n, version),
        epochs=np.zeros(n, dtype=np.int64),
        dispositions=np.array([0, 0, 1, 2]),  # two are folded, a gate's, a late one
        decided_ms=DECIDED_MS + numbers,
        received_ms=DECIDED_MS + numbers + 250,
        contexts=np.stack([numbers / 8.0, numbers / 4.0], axis=-1) if dim else None,
    )


def _ledger(name: str, dim: int, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Creation, rewards, a change of hyper-parameters, rewards; and the state they make."""

    def control(reason: Any, start: Any, parameters: dict[str, Any]) -> Control:
        ref = PolicyRef(name=name, parameters=parameters)
        configuration = Configuration(policy=ref, n_arms=3, dim=dim)
        return Control(reason=reason, configuration=configuration, start=start)

    batches = [
        Batch(epoch=0, version=0, control=control("create", "init", before)),
        Batch(epoch=0, version=1, rows=_rows(1, version=0, dim=dim)),
        Batch(epoch=0, version=2, control=control("hyper_parameters", "keep", after)),
        Batch(epoch=0, version=3, rows=_rows(5, version=2, dim=dim)),
    ]
    resolver = BundleResolver()
    now: Deployment | None = None
    told = []
    for batch in batches:
        now = genesis(_id(77), batch, resolver) if now is None else fold(now, batch, resolver)
        told.append(
            {
                "batch": _text(batch.to_bytes()),
                "ledger_digest": now.ledger_digest,
                "state_digest": now.state_digest,
            }
        )
    assert now is not None
    record = state_record(now, tenant=TENANT, term=3, published_ms=DECIDED_MS)
    context = np.array([0.5, 0.25]) if dim else None
    return {
        "batches": told,
        "state": _text(codec.pack_state(record)),
        "context": None if context is None else context.tolist(),
        "propensities": now.decider().propensities(context).tolist(),
    }


def _feedback(context: bytes) -> dict[str, Any]:
    return {
        "experiment": _id(77),
        "epoch": 1,
        "decision_id": _id(5),
        "feedback_id": "second",
        "arm": 2,
        "reward": 0.75,
        "u": 0.375,
        "low": 0.25,
        "propensity": 0.5,
        "version": 9,
        "gate": False,
        "recorded": [0.5, 0.125],
        "context": _text(context),
        "decided_ms": DECIDED_MS,
        "received_ms": DECIDED_MS + 250,
    }


def _decision(context: bytes) -> dict[str, Any]:
    found = _feedback(context)
    for name in ("feedback_id", "reward", "gate", "recorded", "received_ms"):
        del found[name]
    return {"proxy": "p" * 32, "number": 4, "context_id": "u-1", "source": "policy"} | found


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _made(kind: Any, plain: dict[str, Any], context: bytes) -> Any:
    fields = plain | {"context": context}
    if "recorded" in fields:
        fields["recorded"] = tuple(fields["recorded"])
    return kind(**fields)


def written(commit: str) -> dict[str, Any]:
    """Everything that one version of the roles leaves to another one."""
    context = np.array([0.5, -1.25], dtype="<f8").tobytes()
    feedback, decision = _feedback(context), _decision(context)
    token = {name: feedback[name] for name in feedback if name not in _NOT_IN_TOKENS}
    token["tenant"] = TENANT
    sealer = TokenSealer([TOKEN_KEY], clock=lambda: DECIDED_MS / 1000)
    return {
        "commit": commit,
        "token_key": _text(TOKEN_KEY),
        "feedback": {
            "bytes": _text(codec.pack_feedback([_made(FeedbackEvent, feedback, context)])),
            "plain": feedback,
        },
        "decisions": {
            "bytes": _text(codec.pack_decisions([_made(DecisionEvent, decision, context)])),
            "plain": decision,
        },
        "token": {"text": sealer.seal(_made(DecisionToken, token, context)), "plain": token},
        "ledgers": {kind[0]: _ledger(*kind) for kind in KINDS},
    }


_NOT_IN_TOKENS = ("feedback_id", "reward", "received_ms")

if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(written(sys.argv[1]), indent=1) + "\n", "utf-8")
