"""The public API as a client over HTTP speaks it, which looks at every answer it gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.conformance.clients import Json, Refused
from tests.waiting import PATIENCE_S

__all__ = ["Rest"]

V1 = "/api/v1"
_ALWAYS = {"Accept": "application/json", "Content-Type": "application/json"}


class Rest:
    """One origin, one credential."""

    grpc = False

    def __init__(self, url: str, credential: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url, timeout=PATIENCE_S, headers={**_ALWAYS, **(credential or {})}
        )

    def close(self) -> None:
        self.http.close()

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of an answer; raises Refused for a well-formed error."""
        asked = {
            name: str(v).lower() if v is True or v is False else v for name, v in query.items()
        }
        content = {} if body is None else {"json": body}
        return self.read(self.http.request(method, path, params=asked, **content))

    @staticmethod
    def read(answer: httpx.Response) -> Any:
        """What section 1 says of every answer."""
        assert answer.headers["content-type"] == "application/json", answer.text
        said = answer.json()
        if answer.is_success:
            return said
        assert {"code", "detail"} <= set(said) <= {"code", "detail", "context"}, said
        assert said.get("context") != {}
        retry_after = answer.headers.get("retry-after")
        assert (retry_after is not None) is (answer.status_code in (429, 503))
        assert retry_after is None or int(retry_after) >= 1
        raise Refused(answer.status_code, said["code"], str(said["detail"]), retry_after)

    def create_pool(self, name: str, arms: list[Json]) -> Json:
        return self._made("/pools", {"name": name, "arms": arms})

    def get_pool(self, pool: str) -> Json:
        return dict(self.ask("GET", f"{V1}/pools/{pool}"))

    def list_pools(self, **page: int) -> Json:
        return dict(self.ask("GET", f"{V1}/pools", **page))

    def rename_pool(self, pool: str, **change: str) -> Json:
        return dict(self.ask("PATCH", f"{V1}/pools/{pool}", change))

    def delete_pool(self, pool: str) -> None:
        assert set(self.ask("DELETE", f"{V1}/pools/{pool}")) == {"message"}

    def create_experiment(self, **body: Any) -> Json:
        return self._made("/experiments", body)

    def get_experiment(self, experiment: str) -> Json:
        return dict(self.ask("GET", f"{V1}/experiments/{experiment}"))

    def list_experiments(self, **query: Any) -> Json:
        return dict(self.ask("GET", f"{V1}/experiments", **query))

    def pool_experiments(self, pool: str) -> list[Json]:
        return list(self.ask("GET", f"{V1}/pools/{pool}/experiments"))

    def update_experiment(self, experiment: str, **change: Any) -> Json:
        return dict(self.ask("PATCH", f"{V1}/experiments/{experiment}", change))

    def delete_experiment(self, experiment: str) -> None:
        assert set(self.ask("DELETE", f"{V1}/experiments/{experiment}")) == {"message"}

    def create_gate(self, experiment: str, **body: Any) -> Json:
        return self._made(f"/gates/{experiment}", body)

    def get_gate(self, experiment: str) -> Json:
        return dict(self.ask("GET", f"{V1}/gates/{experiment}"))

    def put_gate(self, experiment: str, **body: Any) -> Json:
        return dict(self.ask("PUT", f"{V1}/gates/{experiment}", body))

    def patch_gate(self, experiment: str, **change: Any) -> Json:
        return dict(self.ask("PATCH", f"{V1}/gates/{experiment}", change))

    def delete_gate(self, experiment: str) -> None:
        assert set(self.ask("DELETE", f"{V1}/gates/{experiment}")) == {"message"}

    def select(self, experiment: str, id: str = "user-1", **context: Any) -> Json:
        body = {"experiment_id": experiment, "context": {"id": id, **context}}
        answer = self.http.post(f"{V1}/agent/select", json=body)
        said = dict(self.read(answer))
        assert answer.status_code == 200
        return said

    def feedback(self, request_id: str, reward: float) -> Json:
        return self._made("/agent/feedback", {"request_id": request_id, "reward": reward})

    def policies(self, reward_type: str | None = None) -> list[Json]:
        query = {} if reward_type is None else {"reward_type": reward_type}
        said = self.ask("GET", f"{V1}/policies", **query)
        assert set(said) == {"policies"}
        return list(said["policies"])

    def _made(self, path: str, body: Json) -> Json:
        answer = self.http.post(V1 + path, json=body)
        said = dict(self.read(answer))
        assert answer.status_code == 201
        return said
