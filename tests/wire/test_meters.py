"""Meters: what they expose is what Prometheus's own parser reads, and it adds up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from serving.settings import SharedSettings
from serving.telemetry import Meters, RequestNames, begin_request, configure_logging


def samples(meters: Meters) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name and labels to value."""
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(meters.expose().decode())
        for one in family.samples
    }


def test_a_tally_adds_up_by_labels_and_what_never_happened_is_zero() -> None:
    meters = Meters()
    asked = meters.tally("asked", "times", "who", "result")
    never = meters.tally("never", "times")
    for _ in range(3):
        asked.add("ada", 200)
    asked.add_many(4, "bob", 503)
    assert samples(meters) == {
        ("asked_total", (("result", "200"), ("who", "ada"))): 3.0,
        ("asked_total", (("result", "503"), ("who", "bob"))): 4.0,
        ("never_total", ()): 0.0,
    }
    assert (asked.total("ada", 200), asked.total("eve", 200), never.total()) == (3, 0, 0)


def test_a_spread_counts_each_value_into_the_buckets_that_hold_it() -> None:
    """Prometheus' buckets are cumulative and include their upper bound."""
    meters = Meters()
    spread = meters.spread("took", "time", bounds=(1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 99.0):
        spread.observe(value)
    found = samples(meters)
    assert [found["took_bucket", (("le", bound),)] for bound in ("1.0", "2.0", "+Inf")] == [2, 3, 4]
    assert (found["took_count", ()], found["took_sum", ()]) == (4.0, 102.0)
    assert spread.count == 4


def test_what_is_watched_is_read_at_every_look() -> None:
    meters, values = Meters(), [1.0]
    meters.watch("now", "value", lambda: values[0])
    meters.watch("ever", "value", lambda: values[0], grows=True)
    meters.watch_each("of_each", "value", lambda: [(("a",), values[0])], "name")
    for value in (1.0, 7.0):
        values[0] = value
        assert samples(meters) == {
            ("now", ()): value,
            ("ever_total", ()): value,
            ("of_each", (("name", "a"),)): value,
        }


def test_two_roles_of_a_process_are_shown_together_and_never_meet() -> None:
    one, other = Meters(), Meters()
    one.tally("a", "of one")
    other.tally("b", "of the other")
    one.include(other)
    assert samples(one) == {("a_total", ()): 0.0, ("b_total", ()): 0.0}
    assert samples(other) == {("b_total", ()): 0.0}


def test_what_is_private_is_not_for_a_public_port() -> None:
    meters, other = Meters(), Meters()
    meters.include(other)
    meters.tally("open", "for all")
    meters.tally("closed", "for us", "machine", private=True).add("10.0.0.7")
    other.watch_each("whose", "for us", lambda: [(("e",), 1.0)], "experiment", private=True)
    told = meters.expose(public=True).decode()
    assert "open_total 0.0" in told
    assert "10.0.0.7" not in told
    assert "whose" not in told
    assert {name for name, _ in samples(meters)} == {"open_total", "closed_total", "whose"}


def test_names_of_two_lives_are_told_apart() -> None:
    names = [made.next() for made in (RequestNames(), RequestNames()) for _ in range(100)]
    assert len(set(names)) == 200


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    begin_request("")


@pytest.mark.usefixtures("_logging_as_before")
def test_every_line_of_the_log_is_json_and_names_role_and_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also what other packages say."""
    nowhere = SecretStr("nowhere")
    settings = SharedSettings(postgres_url=nowhere, redis_url=nowhere, log_level="info")
    configure_logging(settings, role="proxy")
    begin_request("r-1")
    log = structlog.get_logger("x")
    log.info("served", n=1)
    log.info("served for another", request="r-2")
    log.debug("not shown")
    logging.getLogger("someone.else").warning("it is %s", "late")
    begin_request("")
    log.info("idle")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == [
        "served",
        "served for another",
        "it is late",
        "idle",
    ]
    assert [line.get("request") for line in lines] == ["r-1", "r-2", "r-1", None]
    assert {line["role"] for line in lines} == {"proxy"}
    assert all("timestamp" in line and "level" in line for line in lines)
