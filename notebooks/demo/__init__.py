"""The whole loop on real parts in about a minute: ``make demo``."""
