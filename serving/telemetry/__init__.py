"""Logs, names of requests, and metrics that cost an addition on the hot path."""

from __future__ import annotations

from serving.telemetry.cortex import CortexMetrics
from serving.telemetry.logs import configure_logging
from serving.telemetry.meters import Gauge, Meters, Spread, Tally
from serving.telemetry.motor import MotorMetrics
from serving.telemetry.proxy import ProxyMetrics
from serving.telemetry.requests import RequestNames, begin_request, current_request, given_name

__all__ = [
    "CortexMetrics",
    "Gauge",
    "Meters",
    "MotorMetrics",
    "ProxyMetrics",
    "RequestNames",
    "Spread",
    "Tally",
    "begin_request",
    "configure_logging",
    "current_request",
    "given_name",
]
