"""Each error has one answer on every transport."""

from __future__ import annotations

import pytest

from qbrix import errors
from qbrix.errors import QbrixError
from serving.errors import INTERNAL, translate


@pytest.mark.parametrize(
    ("error", "status", "code", "grpc"),
    [
        (errors.InvalidParameter("x"), 400, "INVALID_POLICY_PARAMS", "INVALID_ARGUMENT"),
        (errors.UnknownName("policy", "x", known=[]), 400, "INVALID_POLICY_PARAMS", None),
        (errors.MissingExtra("x", extra="notebook"), 400, "INVALID_POLICY_PARAMS", None),
        (errors.ShapeError("x"), 400, "INVALID_CONTEXT_VECTOR", "INVALID_ARGUMENT"),
        (errors.SupportError("x"), 422, "INVALID_REWARD", "INVALID_ARGUMENT"),
        (errors.InvalidRequest("x"), 422, "VALIDATION_ERROR", "INVALID_ARGUMENT"),
        (errors.InvalidRequest("x", code="PAYLOAD_TOO_LARGE"), 413, "PAYLOAD_TOO_LARGE", None),
        (errors.BundleError("trace", "x"), 400, "BUNDLE_REJECTED", "INVALID_ARGUMENT"),
        (errors.TokenRejected("forged", "x"), 400, "FEEDBACK_FAILED", "INVALID_ARGUMENT"),
        (errors.TokenRejected("expired", "x"), 400, "FEEDBACK_FAILED", "DEADLINE_EXCEEDED"),
        (errors.Unauthorised("x"), 401, "UNAUTHORIZED", "UNAUTHENTICATED"),
        (errors.Forbidden("x"), 403, "INSUFFICIENT_SCOPES", "PERMISSION_DENIED"),
        (errors.Forbidden("x", code="FORBIDDEN"), 403, "FORBIDDEN", "PERMISSION_DENIED"),
        (errors.NotFound("experiment", "x"), 404, "EXPERIMENT_NOT_FOUND", "NOT_FOUND"),
        (errors.NotFound("pool", "x"), 404, "POOL_NOT_FOUND", "NOT_FOUND"),
        (errors.Conflict("x"), 409, "CONFLICT", "ALREADY_EXISTS"),
        (errors.Conflict("x", code="POOL_HAS_EXPERIMENTS"), 409, "POOL_HAS_EXPERIMENTS", None),
        (errors.RateLimited("x", retry_after_s=3), 429, "RATE_LIMITED", "RESOURCE_EXHAUSTED"),
        (errors.Unavailable("x"), 503, "SERVICE_UNAVAILABLE", "UNAVAILABLE"),
        (errors.StateMismatch("secret"), 500, "INTERNAL", "INTERNAL"),
    ],
)
def test_an_error_is_translated_by_the_table(
    error: QbrixError, status: int, code: str, grpc: str | None
) -> None:
    answer = translate(error)
    assert (answer.status, answer.code) == (status, code)
    assert grpc is None or answer.grpc == grpc


@pytest.mark.parametrize(("wait_s", "shown"), [(0.2, "1"), (1.0, "1"), (2.1, "3")])
def test_retry_after_is_a_whole_number_of_seconds_on_429_and_503(wait_s: float, shown: str) -> None:
    for error in (
        errors.Unavailable("x", retry_after_s=wait_s),
        errors.RateLimited("x", retry_after_s=wait_s),
    ):
        assert translate(error).headers() == {"Retry-After": shown}
    assert translate(errors.NotFound("pool", "x")).headers() == {}


def test_what_no_table_lists_says_nothing_about_the_cause() -> None:
    assert translate(errors.StateMismatch("secret")) is INTERNAL
    assert "secret" not in INTERNAL.detail


def test_a_reason_is_told_in_the_context_and_an_empty_context_is_left_out() -> None:
    assert translate(errors.BundleError("trace", "x")).body()["context"] == {"reason": "trace"}
    assert "context" not in translate(errors.NotFound("pool", "x")).body()
