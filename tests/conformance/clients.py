"""What a foreign client can say on both transports, and how it is refused on either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

__all__ = ["Client", "Json", "Refused", "refused"]

Json = dict[str, Any]

# The public API's table of statuses, read from the other side.
_IN_GRPC = {
    400: {"INVALID_ARGUMENT"},
    401: {"UNAUTHENTICATED"},
    403: {"PERMISSION_DENIED"},
    404: {"NOT_FOUND"},
    409: {"ALREADY_EXISTS", "FAILED_PRECONDITION"},
    422: {"INVALID_ARGUMENT"},
    429: {"RESOURCE_EXHAUSTED"},
    503: {"UNAVAILABLE"},
}


class Refused(Exception):
    """A request that was answered with an error: an HTTP status, or the name of a gRPC one."""

    def __init__(self, status: int | str, code: str, detail: str, retry_after: str | None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.retry_after = retry_after
        assert re.fullmatch(r"[A-Z][A-Z_]*", code), code
        assert detail

    def means(self, status: int) -> bool:
        """Whether this is the HTTP status, or the gRPC status that stands for it."""
        return self.status == status or self.status in _IN_GRPC[status]


@contextmanager
def refused(status: int, code: str) -> Iterator[pytest.ExceptionInfo[Refused]]:
    """The block must be refused so, on whichever transport."""
    with pytest.raises(Refused) as caught:
        yield caught
    assert caught.value.means(status), caught.value
    assert caught.value.code == code, caught.value


class Client(Protocol):
    """One client, one credential; answers in the words of REST. Raises Refused."""

    grpc: bool

    def create_pool(self, name: str, arms: list[Json]) -> Json: ...
    def get_pool(self, pool: str) -> Json: ...
    def list_pools(self, **page: int) -> Json: ...
    def rename_pool(self, pool: str, **change: str) -> Json: ...
    def delete_pool(self, pool: str) -> None: ...

    def create_experiment(self, **body: Any) -> Json: ...
    def get_experiment(self, experiment: str) -> Json: ...
    def list_experiments(self, **query: Any) -> Json: ...
    def pool_experiments(self, pool: str) -> list[Json]: ...
    def update_experiment(self, experiment: str, **change: Any) -> Json: ...
    def delete_experiment(self, experiment: str) -> None: ...

    def create_gate(self, experiment: str, **body: Any) -> Json: ...
    def get_gate(self, experiment: str) -> Json: ...
    def put_gate(self, experiment: str, **body: Any) -> Json: ...
    def patch_gate(self, experiment: str, **change: Any) -> Json: ...
    def delete_gate(self, experiment: str) -> None: ...

    def select(self, experiment: str, id: str = "user-1", **context: Any) -> Json: ...
    def feedback(self, request_id: str, reward: float) -> Json: ...
    def policies(self, reward_type: str | None = None) -> list[Json]: ...
