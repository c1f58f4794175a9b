"""What the client makes of answers, and how patiently it asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from qbrix.client.errors import error_of
from qbrix.client.transport import Transport
from qbrix.errors import (
    BundleError,
    Conflict,
    Forbidden,
    InvalidParameter,
    InvalidRequest,
    NotFound,
    QbrixError,
    RateLimited,
    ServingError,
    ShapeError,
    SupportError,
    TokenRejected,
    Unauthorised,
    Unavailable,
)
from serving.errors import INTERNAL, translate

ERRORS = [
    BundleError("unsigned", "the bundle is not signed"),
    Conflict("the name is taken"),
    Conflict("reset it first", code="STRUCTURAL_PARAM"),
    Forbidden("the key lacks pool:write"),
    InvalidParameter("alpha = -1, expected > 0"),
    InvalidRequest("unknown field colour"),
    NotFound("experiment", "e" * 32),
    NotFound("decision", "d" * 32),
    RateLimited("too many requests", retry_after_s=7),
    ShapeError("context.vector has 2 numbers"),
    SupportError("rewards contain 2.0"),
    TokenRejected("expired", "the token is too old"),
    Unauthorised("no such key"),
    Unavailable("the stores are away", retry_after_s=3),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_serving_comes_back_as_itself(error: QbrixError) -> None:
    answer = translate(error)
    headers = {name.lower(): value for name, value in answer.headers().items()}
    body = json.dumps(answer.body()).encode()
    back = error_of(answer.status, body, headers, path=f"/experiments/{'e' * 32}")
    assert type(back) is type(error)
    assert str(back) == str(error)
    for name in ("reason", "code", "kind", "retry_after_s"):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_an_internal_error_is_a_serving_error() -> None:
    body = json.dumps(INTERNAL.body()).encode()
    assert type(error_of(500, body, {}, path="/pools")) is ServingError


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (502, b"<html>Bad Gateway</html>", Unavailable, "Bad Gateway"),
        (503, b"", Unavailable, "503 without a body"),
        (404, b"[]", NotFound, ""),
        (
            422,
            b'{"detail": [{"loc": ["body", "name"], "msg": "field required"}]}',
            InvalidRequest,
            "body.name: field required",
        ),
        (418, b'{"code": 1, "detail": {}}', ServingError, "HTTP 418"),
        (400, b"[" * 100_000, InvalidRequest, ""),
    ],
)
def test_answers_that_are_not_ours_are_still_errors_with_a_sentence(
    status: int, body: bytes, error: type[QbrixError], sentence: str
) -> None:
    found = error_of(status, body, {}, path="/pools")
    assert type(found) is error
    assert sentence in str(found)


class Replies:
    """Answers given in turn, and what was asked."""

    def __init__(self, *replies: httpx.Response | Exception) -> None:
        self._replies: Iterator[httpx.Response | Exception] = iter(replies)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        reply = next(self._replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def transport(self) -> Transport:
        """A transport that gets these replies and does not really wait."""
        return Transport(
            "http://server/",
            "secret",
            timeout_s=1.0,
            wire=httpx.MockTransport(self),
            sleep=self.waits.append,
        )


def away(retry_after: str | None = None) -> httpx.Response:
    """A 503."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(503, headers=headers, json={"code": "SERVICE_UNAVAILABLE", "detail": "-"})


GOOD = httpx.Response(200, json={"fine": True})


@pytest.mark.parametrize(
    "ask",
    [
        lambda transport: transport.get("/pools"),
        lambda transport: transport.post_repeatedly("/agent/feedback", {}),
    ],
    ids=["reading", "feedback"],
)
def test_what_can_be_repeated_is_repeated_as_the_server_asks(
    ask: Callable[[Transport], object],
) -> None:
    replies = Replies(away("2"), httpx.ConnectError("refused"), away("60"), GOOD)
    assert ask(replies.transport()) == {"fine": True}
    # As told; then 0.1 s doubled once; then as told, but never more than 5 s.
    assert replies.waits == [2.0, 0.2, 5.0]
    assert len(replies.asked) == 4


def test_patience_ends() -> None:
    replies = Replies(*[httpx.ConnectError("refused")] * 6)
    with pytest.raises(Unavailable, match=r"no answer from http://server .*refused"):
        replies.transport().get("/pools")
    assert replies.waits == [0.1, 0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize(
    "ask",
    [
        lambda transport: transport.post("/agent/select", {}),
        lambda transport: transport.post_bytes("/x", b"", media_type="a/b", timeout_s=1.0),
    ],
    ids=["select", "promotion"],
)
def test_what_must_not_be_repeated_is_sent_once(ask: Callable[[Transport], object]) -> None:
    replies = Replies(away(), GOOD)
    with pytest.raises(Unavailable):
        ask(replies.transport())
    assert len(replies.asked) == 1


def test_an_error_that_waiting_cannot_mend_is_not_repeated() -> None:
    replies = Replies(httpx.Response(404, json={"code": "POOL_NOT_FOUND", "detail": "gone"}), GOOD)
    with pytest.raises(NotFound, match="gone"):
        replies.transport().get("/pools/1")
    assert len(replies.asked) == 1


def test_requests_carry_what_the_wire_asks_for() -> None:
    replies = Replies(GOOD)
    replies.transport().get("/pools", {"limit": 5})
    (request,) = replies.asked
    assert str(request.url) == "http://server/api/v1/pools?limit=5"
    assert request.headers["x-api-key"] == "secret"
    assert request.headers["accept"] == request.headers["content-type"] == "application/json"


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="url = 'localhost:8080'"):
        Transport("localhost:8080", "", timeout_s=1.0)
