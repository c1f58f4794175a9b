"""Catalog and ledger over Postgres."""

from __future__ import annotations

from serving.storage.postgres.catalog import PostgresCatalog
from serving.storage.postgres.database import Database
from serving.storage.postgres.ledger import PostgresLedger

__all__ = ["Database", "PostgresCatalog", "PostgresLedger"]
