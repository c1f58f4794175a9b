"""Experiments and pools: made, changed, promoted, looked at."""
