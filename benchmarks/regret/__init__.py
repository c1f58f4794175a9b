"""Regret of every policy in fixed scenarios: numbers that a change of code must not move."""
