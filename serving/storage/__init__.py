"""The stores: protocols with written guarantees, and the only code that imports a driver."""

from __future__ import annotations
