"""Catalog, accounts and ledger over Postgres."""

from __future__ import annotations

from serving.storage.postgres.accounts import PostgresAccounts
from serving.storage.postgres.archive import PostgresArchive
from serving.storage.postgres.catalog import PostgresCatalog
from serving.storage.postgres.database import Database
from serving.storage.postgres.insight import PostgresInsight
from serving.storage.postgres.ledger import PostgresLedger
from serving.storage.postgres.sessions import PostgresAudit
from serving.storage.postgres.windows import PostgresWindows

__all__ = [
    "Database",
    "PostgresAccounts",
    "PostgresArchive",
    "PostgresAudit",
    "PostgresCatalog",
    "PostgresInsight",
    "PostgresLedger",
    "PostgresWindows",
]
