"""Messages of any kind: whatever is in them, no call fails inside the server."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from serving.wire.gen import proxy_pb2
from tests.proxy.speaking import METHODS, Refused, Speaker, speaking

SEED = 20_261_123
MESSAGES = 80  # of each method

NAMES = ["", "p", "é" * 30, "nul \x00", "x" * 300, "BetaTSPolicy", "LinUCBPolicy", "UTC", "==", "5"]
JSON = ['{"a":[1]}', "[" * 40 + "]" * 40, "1e999", "9" * 400, '"\\ud800"', "true", "null"]
PARAMETERS = ["alpha_prior", "dim", "context_schema", "state", "learners", "rules", "schedule"]
DOUBLES = [0.0, -0.0, 1.0, 0.5, -3.0, 1e300, 5e-324, 2.0**63, np.nan, np.inf, -np.inf]
INTEGERS = [0, 1, -1, 100, 501, 2**31 - 1, -(2**31)]
TIMES = [*INTEGERS, 2**63 - 1, -(2**63), 1_777_626_000_000]


class Noise:
    """Messages out of the values that have broken servers before, and of what exists here."""

    def __init__(self, known: list[str]) -> None:
        self._rng = np.random.default_rng(SEED)
        self._texts = [*NAMES, *JSON, *PARAMETERS, *known * 3]

    def message(self, kind: type[Message], *, depth: int = 0) -> Message:
        """One message."""
        made = kind()
        for field in kind.DESCRIPTOR.fields:
            if self._rng.random() < 0.75:
                self._fill(made, field, depth)
        return made

    def _fill(self, made: Any, field: Any, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(getattr(made, field.name), field.message_type, depth)
        elif field.is_repeated:
            for _ in range(self._rng.integers(4)):
                if field.message_type is None:
                    getattr(made, field.name).append(self._value(field))
                else:
                    self._fill_message(getattr(made, field.name).add(), depth)
        elif field.message_type is None:
            setattr(made, field.name, self._value(field))
        else:
            getattr(made, field.name).SetInParent()
            self._fill_message(getattr(made, field.name), depth)

    def _fill_message(self, inner: Message, depth: int) -> None:
        if depth < 6:
            inner.CopyFrom(self.message(type(inner), depth=depth + 1))

    def _fill_map(self, entries: Any, entry: Descriptor, depth: int) -> None:
        value = entry.fields_by_name["value"]
        for _ in range(self._rng.integers(3)):
            key = str(self._rng.choice(self._texts))
            if value.message_type is None:
                entries[key] = self._value(value)
            else:
                self._fill_message(entries[key], depth)

    def _value(self, field: FieldDescriptor) -> Any:
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return str(self._rng.choice(self._texts))
            case FieldDescriptor.TYPE_BOOL:
                return bool(self._rng.random() < 0.5)
            case FieldDescriptor.TYPE_INT32:
                return int(self._rng.choice(INTEGERS))
            case FieldDescriptor.TYPE_INT64:
                return TIMES[self._rng.integers(len(TIMES))]
            case FieldDescriptor.TYPE_ENUM:
                return 0
            case _:
                return float(self._rng.choice(DOUBLES))


async def status(speaker: Speaker, method: str, message: Message | bytes) -> str:
    try:
        await speaker.call(method, message)
    except Refused as refused:
        return refused.code
    return "OK"


async def test_no_message_makes_a_call_fail_inside_the_server() -> None:
    async with speaking() as speaker:
        first, second = [await speaker.experiment(name=name) for name in ("one", "two")]
        chosen = await speaker.select(second.experiment.id)
        gate = proxy_pb2.FeatureGateConfig(enabled=True, rollout_percentage=50)
        await speaker.call("CreateGateConfig", experiment_id=second.experiment.id, config=gate)
        noise = Noise(
            [
                *(first.pool.id, first.experiment.id, second.experiment.id),
                *(first.pool.arms[0].id, chosen.request_id, "a"),
            ]
        )
        seen: dict[str, set[str]] = {}
        for method in sorted(METHODS, key=lambda name: name.startswith("Delete")):
            for _ in range(MESSAGES):
                message = noise.message(METHODS[method][0])
                said = await status(speaker, method, message)
                assert said not in ("INTERNAL", "UNKNOWN", "CANCELLED"), f"{method}: {message}"
                seen.setdefault(method, set()).add(said)
            assert await status(speaker, method, b"\xff\xff") in ("OK", "INVALID_ARGUMENT")
        understood = {method for method in METHODS if "OK" in seen[method]}
        assert len(understood) > len(METHODS) / 2  # else this would prove nothing
        assert (await speaker.call("ListPools")).pools
