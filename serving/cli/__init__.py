"""The ``qbrix`` command."""

from __future__ import annotations

from serving.cli.main import main

__all__ = ["main"]
