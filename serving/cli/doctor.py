"""``qbrix doctor``: each thing that must be in order, with what to do about it."""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic_settings import BaseSettings

import qbrix
from serving.cli.attached import settings_at
from serving.cli.examining.files import (
    examine_addresses,
    examine_secret,
    examine_tls,
    examine_trusted,
)
from serving.cli.examining.finding import Finding, ok
from serving.cli.examining.ledgers import examine_ledgers
from serving.cli.examining.roles import examine_roles
from serving.cli.examining.stores import examine_stores
from serving.settings import CortexSettings, MotorSettings, ProxySettings, SharedSettings

__all__ = ["Setting", "doctor", "listed_settings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A variable that the roles read, as they would read it here; secrets stay covered."""

    name: str
    value: str
    default: bool

    def __str__(self) -> str:
        return f"{self.name}={self.value}" + ("  (default)" if self.default else "")


def doctor(
    *, data_dir: Path | None = None, as_json: bool = False, with_replay: bool = False
) -> int:
    """Print one line per finding, then one per setting; 0 when nothing failed."""
    findings = _findings(data_dir)
    if with_replay:
        findings += asyncio.run(_replayed(settings_at(SharedSettings, data_dir)))
    settings = list(listed_settings(data_dir))
    failed = any(one.level == "fail" for one in findings)
    if as_json:
        found = [asdict(one) for one in findings]
        told = {"ok": not failed, "findings": found, "settings": [asdict(one) for one in settings]}
        print(json.dumps(told, indent=2))
    else:
        for finding in findings:
            print(finding)
        for setting in settings:
            print(f"set   {setting}")
    return int(failed)


def listed_settings(data_dir: Path | None = None) -> Iterator[Setting]:
    """Every variable that the roles read."""
    kinds: list[type[BaseSettings]] = [SharedSettings, ProxySettings, MotorSettings, CortexSettings]
    for kind in kinds:
        settings = settings_at(kind, data_dir)
        for name in kind.model_fields:
            value = getattr(settings, name)
            yield Setting(
                name=f"{kind.model_config.get('env_prefix', '')}{name}".upper(),
                value="" if value is None else str(value),
                default=name not in settings.model_fields_set,
            )


def _findings(data_dir: Path | None) -> list[Finding]:
    proxy, shared = settings_at(ProxySettings, data_dir), settings_at(SharedSettings, data_dir)
    findings = [ok(f"qbrix {qbrix.__version__}", f"Python {platform.python_version()}")]
    for name, path, setting in (
        ("draw key", shared.draw_key_file, "QBRIX_DRAW_KEY_FILE"),
        ("token key", proxy.token_key_file, "PROXY_TOKEN_KEY_FILE"),
        ("sign-in key", proxy.jwt_key_file, "PROXY_JWT_KEY_FILE"),
    ):
        findings.append(examine_secret(name, path, setting=setting))
    findings.append(examine_trusted(shared))
    findings += examine_tls(proxy)
    findings += examine_addresses(proxy, settings_at(MotorSettings, data_dir))
    findings += asyncio.run(examine_stores(shared, proxy))
    run_dir = shared.run_dir if data_dir is None else data_dir.expanduser() / "run"
    if run_dir is not None and run_dir.is_dir():
        findings += examine_roles(run_dir)
    return findings


async def _replayed(shared: SharedSettings) -> list[Finding]:
    return [finding async for finding in examine_ledgers(shared)]
