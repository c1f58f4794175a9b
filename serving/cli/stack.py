"""``qbrix up``: everything on this machine."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["up"]


def up(*, data_dir: Path, http_port: int, grpc_port: int, split: bool, workers: int) -> None:
    """Run the whole system until asked to stop; one line of JSON says that it is ready."""
    from serving.stack.stack import Stack

    stack = Stack(data_dir, http_port=http_port, grpc_port=grpc_port, split=split, workers=workers)
    with stack:
        ready = {
            "ready": True,
            "http": stack.url,
            "grpc": stack.grpc_address,
            "api_key": stack.api_key,
        }
        print(json.dumps(ready), flush=True)
        stack.wait_for_signal()
