"""What decided when, and back to it."""

from __future__ import annotations

from qbrix.client import Client
from serving.cli.bundles import key_of

__all__ = ["history", "rollback"]


def history(*, experiment: str, url: str, api_key: str | None) -> None:
    """Print every change of what decides, newest first."""
    with Client(url, key_of(api_key)) as client:
        for change in client.history(experiment):
            print(change)


def rollback(*, experiment: str, to: int | None, url: str, api_key: str | None) -> None:
    """Let what decided before decide again, and print what changed."""
    with Client(url, key_of(api_key)) as client:
        client.rollback(experiment, to=to)
        print(client.history(experiment)[0])
