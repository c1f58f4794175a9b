"""The OpenAPI document: it knows every route and error, and says the truth."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema

from serving.proxy.http.app import build_app
from serving.proxy.http.server import HttpServer
from serving.settings import ProxySettings
from tests.proxy.world import World, open_world

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "ignored_auth",
)
_PUBLIC = ("/api/health", "/health", "/info", "/livez", "/metrics", "/readyz", "/api/auth/config")
_NOBODY = "0" * 32


async def _document(world: World) -> dict[str, Any]:
    return dict((await world.http.get("/openapi.json")).json())


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


async def test_every_route_of_the_application_stands_in_the_document() -> None:
    async with open_world() as world:
        app = build_app(world.gateway)
        served = {
            (getattr(route, "path", ""), method.lower())
            for route in app.app.routes
            for method in getattr(route, "methods", ()) or ()
            if getattr(route, "include_in_schema", False)
        }
        hot = {(path, "post") for path in app._routes}
        listed = {(path, method) for path, method, _ in _operations(await _document(world))}
        assert len(hot) >= 4
        assert listed == served | hot


async def test_every_error_has_the_one_form_and_says_when_to_come_again() -> None:
    async with open_world() as world:
        document = await _document(world)
        error = document["components"]["schemas"]["ErrorBody"]
        assert error["required"] == ["code", "detail"]
        for path, method, operation in _operations(document):
            for status, response in operation["responses"].items():
                if status < "400":
                    continue
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (path, method, status)
                assert ("Retry-After" in response.get("headers", {})) is (status in ("429", "503"))


async def test_every_route_tells_what_can_go_wrong_and_who_may_come() -> None:
    async with open_world() as world:
        for path, method, operation in _operations(await _document(world)):
            statuses = set(operation["responses"])
            where = f"{method} {path}"
            if path not in _PUBLIC:
                assert statuses >= {"422", "503"}, where
            if "security" in operation:
                assert operation["security"] == [{"ApiKey": []}, {"Bearer": []}], where
                assert statuses >= {"401", "403"}, where
            else:
                assert path in _PUBLIC or path.startswith("/api/auth/"), where
            if "{" in path:
                assert "404" in statuses, where
            if "requestBody" in operation:
                assert statuses >= {"408", "413"}, where
            if "/agent/" in path:
                assert statuses >= {"400", "404", "429"}, where


async def test_every_answer_tells_what_is_in_it() -> None:
    async with open_world() as world:
        document = await _document(world)
        for path, method, operation in _operations(document):
            for status, response in operation["responses"].items():
                shape = response.get("content", {}).get("application/json", {}).get("schema")
                if status < "400" and shape is not None:
                    shape = shape.get("items", shape)
                    name = shape.get("$ref", "").removeprefix("#/components/schemas/")
                    named = name and "properties" in document["components"]["schemas"][name]
                    assert named or shape["additionalProperties"] is not True, (path, method)


async def test_any_input_is_answered_as_the_document_says() -> None:
    async with open_world(sign_ins_per_address=0) as world:
        server = HttpServer(build_app(world.gateway), ProxySettings(http_port=0))
        port = await server.start()
        experiment = await world.experiment("LinTSPolicy", dim=2)
        try:
            document = await _document(world)
            play = _Play(document, _settings(world, experiment, port=port))
            await asyncio.to_thread(play.run)
        finally:
            world.gateway.drain()
            await server.stop()
        assert not play.failures, "\n\n".join(play.failures)
        assert not play.troubles, play.troubles
        assert play.phases >= {"examples", "coverage", "fuzzing", "stateful"}
        assert set(play.statuses) >= {200, 201, 400, 401, 404, 409, 422}
        assert sum(play.statuses.values()) > 500


def _settings(world: World, experiment: dict[str, Any], *, port: int) -> SchemathesisConfig:
    ids = {"path.experiment_id": experiment["id"], "path.pool_id": experiment["pool_id"]}
    nobody = dict.fromkeys(("path.experiment_id", "path.pool_id", "path.key_id"), _NOBODY)
    return SchemathesisConfig.from_dict(
        {
            "seed": 20261123,
            "base-url": f"http://127.0.0.1:{port}",
            "headers": {"X-API-Key": world.http.headers["X-API-Key"]},
            "continue-on-failure": True,
            "suppress-health-check": ["all"],
            "request-timeout": 30,
            "cache": {"enabled": False},
            "generation": {"max-examples": 2, "no-shrink": True, "database": "none"},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in _CHECKS}},
            "phases": {"coverage": {"unexpected-methods": []}, "stateful": {"max-steps": 4}},
            "parameters": ids,
            "operations": [
                {"include-method": "DELETE", "parameters": nobody},  # the others need what is there
                {"include-path-regex": "/rotate$", "parameters": nobody},
                {"include-path-regex": "/rollback$", "parameters": nobody},  # waits for a cortex
            ],
        }
    )


class _Play:
    """One run of Schemathesis over a document."""

    def __init__(self, document: dict[str, Any], settings: SchemathesisConfig) -> None:
        schemathesis.openapi.media_type("application/zip", st.binary(max_size=64))
        self._schema = schemathesis.openapi.from_dict(document, config=settings)
        self.failures: dict[str, None] = {}
        self.troubles: list[str] = []
        self.phases: set[str] = set()
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        """Every phase."""
        for event in from_schema(self._schema).execute():
            if isinstance(event, events.PhaseFinished):
                self.phases.add(event.phase.name.value.lower())
            elif isinstance(event, events.NonFatalError | events.FatalError):
                self.troubles.append(repr(event))
            elif isinstance(event, events.ScenarioFinished):
                self._read(event)

    def _read(self, event: events.ScenarioFinished) -> None:
        for interaction in event.recorder.interactions.values():
            if interaction.response is not None:
                self.statuses[interaction.response.status_code] += 1
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    told = _told(check.failure_info.failure, check.failure_info.code_sample)
                    self.failures[told] = None


def _told(failure: Failure, sample: str) -> str:
    return f"{failure.operation}: {failure.title} {failure.message}\n{sample}"
