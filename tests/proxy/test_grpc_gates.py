"""Gates over gRPC: whole, in part, and seen through REST."""

from __future__ import annotations

from typing import Any

import pytest

from serving.wire.gen import proxy_pb2
from tests.proxy.speaking import Speaker, fields, speaking

MAY_MS = 1_777_626_000_000  # 2026-05-01T09:00:00Z


def gate(**given: Any) -> proxy_pb2.FeatureGateConfig:
    return proxy_pb2.FeatureGateConfig(**{"enabled": True, "rollout_percentage": 100, **given})


def rule(value: str, *, operator: str = "==", arm_id: str = "") -> proxy_pb2.RuleConfig:
    return proxy_pb2.RuleConfig(key="k", operator=operator, value=value, arm_id=arm_id)


async def full(speaker: Speaker) -> tuple[str, Any, proxy_pb2.FeatureGateConfig]:
    """An experiment, its arms, and a gate in which everything is set."""
    made = await speaker.experiment()
    arms = made.pool.arms
    config = gate(
        rollout_percentage=12.5,
        default_arm_id=arms[1].id,
        schedule=proxy_pb2.ScheduleConfig(start_timestamp_ms=MAY_MS, end_timestamp_ms=MAY_MS + 1),
        active_hours=proxy_pb2.ActiveHoursConfig(start="09:00", end="17:30"),
        timezone="Europe/Paris",
        rules=[rule("x", arm_id=arms[2].id)],
    )
    return made.experiment.id, arms, config


async def rest(speaker: Speaker, experiment: str) -> dict[str, Any]:
    return dict((await speaker.world.http.get(f"/api/v1/gates/{experiment}")).json())


async def test_a_gate_is_the_same_over_both_transports() -> None:
    async with speaking() as speaker:
        experiment, arms, config = await full(speaker)
        asked = {"experiment_id": experiment, "config": config}
        made = (await speaker.call("CreateGateConfig", **asked)).config
        config.rules[0].operator = "equals"
        assert made == config
        assert (await speaker.call("GetGateConfig", experiment_id=experiment)).config == made
        shown = await rest(speaker, experiment)
        assert {**shown, "updated_at": ""} == {
            "experiment_id": experiment,
            "enabled": True,
            "rollout_percentage": 12.5,
            "default_arm_id": arms[1].id,
            "default_arm_name": "b",
            "schedule_start": "2026-05-01T09:00:00+00:00",
            "schedule_end": "2026-05-01T09:00:00.001000+00:00",
            "active_hours_start": "09:00",
            "active_hours_end": "17:30",
            "timezone": "Europe/Paris",
            "rules": [
                {
                    "key": "k",
                    "operator": "equals",
                    "value": "x",
                    "arm_id": arms[2].id,
                    "arm_name": "c",
                }
            ],
            "updated_at": "",
            "version": 1,
        }
        again = await speaker.refused("CreateGateConfig", **asked)
        assert (again.code, again.trailing["qbrix-code"]) == (
            "ALREADY_EXISTS",
            "GATE_ALREADY_EXISTS",
        )
        assert (await speaker.call("DeleteGateConfig", experiment_id=experiment)).deleted
        for method in ("GetGateConfig", "DeleteGateConfig"):
            gone = await speaker.refused(method, experiment_id=experiment)
            assert (gone.code, gone.trailing["qbrix-code"]) == ("NOT_FOUND", "GATE_NOT_FOUND")
        missing = await speaker.refused("UpdateGateConfig", **asked)
        assert missing.trailing["qbrix-code"] == "GATE_NOT_FOUND"
        for method in ("CreateGateConfig", "UpdateGateConfig"):
            nowhere = await speaker.refused(method, experiment_id="0" * 32, config=config)
            assert nowhere.trailing["qbrix-code"] == "EXPERIMENT_NOT_FOUND"


async def test_what_is_empty_is_not_set() -> None:
    async with speaking() as speaker:
        experiment, _, _ = await full(speaker)
        asked = {"experiment_id": experiment, "config": gate()}
        made = (await speaker.call("CreateGateConfig", **asked)).config
        assert fields(made) == {"enabled", "rollout_percentage", "timezone"}
        assert made.timezone == "UTC"


async def test_half_a_schedule_and_half_the_hours_stay_halves() -> None:
    async with speaking() as speaker:
        experiment, _, _ = await full(speaker)
        config = gate(
            schedule=proxy_pb2.ScheduleConfig(end_timestamp_ms=0),
            active_hours=proxy_pb2.ActiveHoursConfig(start="22:00"),
        )
        made = await speaker.call("CreateGateConfig", experiment_id=experiment, config=config)
        assert fields(made.config.schedule) == {"end_timestamp_ms"}
        assert made.config.schedule.end_timestamp_ms == 0
        assert fields(made.config.active_hours) == {"start"}
        assert (await rest(speaker, experiment))["schedule_end"] == "1970-01-01T00:00:00+00:00"


async def test_without_a_mask_an_update_replaces_the_gate() -> None:
    async with speaking() as speaker:
        experiment, _, config = await full(speaker)
        await speaker.call("CreateGateConfig", experiment_id=experiment, config=config)
        whole = gate(rollout_percentage=30)
        asked = {"experiment_id": experiment, "config": whole}
        replaced = (await speaker.call("UpdateGateConfig", **asked)).config
        assert fields(replaced) == {"enabled", "rollout_percentage", "timezone"}
        assert (await rest(speaker, experiment))["version"] == 2


@pytest.mark.parametrize(
    ("mask", "cleared"),
    [
        (["default_arm_id"], {"default_arm_id"}),
        (["schedule_start", "schedule_end"], {"schedule"}),
        (["schedule"], {"schedule"}),
        (["active_hours_start", "active_hours_end"], {"active_hours"}),
        (["active_hours"], {"active_hours"}),
        (["rules", "default_arm_id"], {"rules", "default_arm_id"}),
    ],
)
async def test_in_a_masked_update_what_is_empty_clears(mask: list[str], cleared: set[str]) -> None:
    async with speaking() as speaker:
        experiment, _, config = await full(speaker)
        await speaker.call("CreateGateConfig", experiment_id=experiment, config=config)
        asked = {
            "experiment_id": experiment,
            "config": proxy_pb2.FeatureGateConfig(rollout_percentage=99),
            "update_mask": mask,
        }
        changed = (await speaker.call("UpdateGateConfig", **asked)).config
        assert fields(changed) == fields(config) - cleared
        assert changed.rollout_percentage == 12.5


async def test_a_masked_update_changes_what_it_names_and_nothing_else() -> None:
    async with speaking() as speaker:
        experiment, _, config = await full(speaker)
        before = await speaker.call("CreateGateConfig", experiment_id=experiment, config=config)
        wanted = proxy_pb2.FeatureGateConfig(
            schedule=proxy_pb2.ScheduleConfig(start_timestamp_ms=MAY_MS - 5),
            timezone="Asia/Tokyo",
        )
        asked = {"experiment_id": experiment, "config": wanted}
        changed = await speaker.call(
            "UpdateGateConfig", update_mask=["enabled", "schedule_start"], **asked
        )
        expected = proxy_pb2.FeatureGateConfig()
        expected.CopyFrom(before.config)
        expected.enabled = False
        expected.schedule.start_timestamp_ms = MAY_MS - 5
        assert changed.config == expected


@pytest.mark.parametrize("name", ["bogus", "schedule.start_timestamp_ms", "version", "", "config"])
async def test_a_mask_with_an_unknown_name_is_refused(name: str) -> None:
    async with speaking() as speaker:
        experiment, _, config = await full(speaker)
        await speaker.call("CreateGateConfig", experiment_id=experiment, config=config)
        asked = {"experiment_id": experiment, "config": gate(), "update_mask": ["enabled", name]}
        refused = await speaker.refused("UpdateGateConfig", **asked)
        assert refused.code == "INVALID_ARGUMENT"
        assert "update_mask" in refused.details
        assert (await rest(speaker, experiment))["version"] == 1


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("premium", "premium"),
        ('"premium"', "premium"),
        ("5", 5),
        ("2.5", 2.5),
        ('"5"', "5"),
        ("true", True),
        ('["fr","de"]', ["fr", "de"]),
        ("[fr, de]", "[fr, de]"),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
async def test_the_value_of_a_rule_is_a_raw_text_or_json(sent: str, value: Any) -> None:
    async with speaking() as speaker:
        experiment, _, _ = await full(speaker)
        config = gate(rules=[rule(sent)])
        made = await speaker.call("CreateGateConfig", experiment_id=experiment, config=config)
        (shown,) = (await rest(speaker, experiment))["rules"]
        assert (shown["value"], type(shown["value"])) == (value, type(value))
        asked = {"experiment_id": experiment, "config": made.config}
        again = await speaker.call("UpdateGateConfig", **asked)
        assert again.config == made.config
        assert (await rest(speaker, experiment))["rules"] == [shown]


@pytest.mark.parametrize(
    "config",
    [
        gate(rollout_percentage=float("nan")),
        gate(rollout_percentage=float("inf")),
        gate(rollout_percentage=-1),
        gate(rollout_percentage=100.5),
        gate(default_arm_id="0" * 32),
        gate(timezone="Nowhere/At_All"),
        gate(active_hours=proxy_pb2.ActiveHoursConfig(start="24:00")),
        gate(schedule=proxy_pb2.ScheduleConfig(start_timestamp_ms=2, end_timestamp_ms=1)),
        gate(schedule=proxy_pb2.ScheduleConfig(start_timestamp_ms=2**62)),
        gate(rules=[rule("x", operator="~=")]),
        gate(rules=[rule("x", arm_id="0" * 32)]),
        gate(rules=[rule("nul \x00")]),
        gate(rules=[rule("[" * 33 + "]" * 33)]),
        None,
    ],
)
async def test_what_is_no_gate_is_an_invalid_argument(
    config: proxy_pb2.FeatureGateConfig | None,
) -> None:
    async with speaking() as speaker:
        made = await speaker.experiment()
        asked = {"experiment_id": made.experiment.id, "config": config}
        for method in ("CreateGateConfig", "UpdateGateConfig"):
            if method == "UpdateGateConfig":
                body = {"enabled": True}
                url = f"/api/v1/gates/{made.experiment.id}"
                assert (await speaker.world.http.post(url, json=body)).status_code == 201
            refused = await speaker.refused(method, **asked)
            assert refused.code == "INVALID_ARGUMENT"
