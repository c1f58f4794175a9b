"""The roles that run on this machine, by the files in which they say that they are ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from serving.cli.examining.finding import Finding, fail, ok, warn

__all__ = ["examine_roles"]

_TIMEOUT_S = 5.0


def examine_roles(run_dir: Path) -> Iterator[Finding]:
    """One finding per role that left its word in ``run_dir``, or in a folder of it."""
    files = sorted({*run_dir.glob("*.ready"), *run_dir.glob("*/*.ready")})
    if not files:
        yield warn("roles", f"none is ready in {run_dir}", "start them, or look into their logs")
    for file in files:
        name = file.stem if file.parent == run_dir else file.parent.name
        try:
            ports = json.loads(file.read_text("utf-8"))["ports"]
            port = ports.get("probe", ports["http"])
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=_TIMEOUT_S)
            yield _told(name, answer)
        except (OSError, ValueError, KeyError, httpx.HTTPError) as error:
            yield fail(name, f"does not answer: {error!r}", "see its log")


def _told(name: str, answer: httpx.Response) -> Finding:
    body: dict[str, Any] = answer.json()
    facts = body.get("context") or body
    if answer.status_code != httpx.codes.OK:
        return fail(name, f"not ready: {json.dumps(facts)}", "see its log")
    refused = facts.get("feedback", "accepted")
    if refused != "accepted":
        return fail(name, f"takes no feedback: {refused}")
    if failing := facts.get("failing_updates"):
        return warn(name, f"updates fail: {json.dumps(failing)}", "see qbrix dead-letters")
    hindered = [one for one in facts.get("shards", ()) if one["hindrance"]]
    if hindered:
        return warn(name, f"shards that do not move on: {json.dumps(hindered)}")
    return ok(name, "ready")
