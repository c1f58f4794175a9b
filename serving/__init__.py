"""The serving system: proxy, motor and cortex over Redis and Postgres, and the stack of them."""

from __future__ import annotations

import qbrix

if getattr(qbrix, "__distribution__", None) != "qbrix-lab":
    raise ImportError(
        f"the package qbrix at {qbrix.__file__} belongs to another distribution (a client SDK); "
        "use an environment of its own: pip uninstall qbrix && "
        "pip install --force-reinstall --no-deps qbrix-lab"
    )
