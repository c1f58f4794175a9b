"""docs/operations.md names what there is: every metric and no other; settings and commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import serving
from serving.cli import main
from serving.settings import CortexSettings, MotorSettings, ProxySettings, SharedSettings

SOURCES = Path(serving.__file__).parent
PAGE = (SOURCES.parent / "docs" / "operations.md").read_text("utf-8")
METRIC = re.compile(r"\bqbrix_[a-z_]+[a-z]\b")


def test_the_page_has_a_row_for_every_metric_and_no_other() -> None:
    declared = {
        name
        for path in SOURCES.rglob("*.py")
        for name in re.findall(r'"(qbrix_[a-z_]+)",', path.read_text("utf-8"))
    }
    table = PAGE.partition("## Metrics")[2].partition("## Alarms")[0]
    assert set(METRIC.findall(table)) == declared


def test_alarms_are_made_of_metrics_that_exist() -> None:
    table, alarms = PAGE.partition("## Metrics")[2].split("## Alarms")
    known = set(METRIC.findall(table))
    used = {re.sub("_(total|bucket|sum|count)$", "", name) for name in METRIC.findall(alarms)}
    assert used - known == set()


def test_every_setting_on_the_page_exists() -> None:
    kinds = (SharedSettings, ProxySettings, MotorSettings, CortexSettings)
    settings = {
        f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        for kind in kinds
        for name in kind.model_fields
    }
    named = set(re.findall(r"\b(?:QBRIX|PROXY|MOTOR|CORTEX)_[A-Z_]+[A-Z]\b", PAGE))
    assert named - settings == set()


def test_every_command_on_the_page_exists(capsys: pytest.CaptureFixture[str]) -> None:
    named = set(re.findall(r"`qbrix ([a-z-]+(?: [a-z]+)?)", PAGE))
    assert {"up", "doctor", "dead-letters redrive"} <= named
    for command in named:
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), "--help"])
        assert ended.value.code == 0, command
        assert f"qbrix {command}" in capsys.readouterr().out
