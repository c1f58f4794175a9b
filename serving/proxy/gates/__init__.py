"""Gates: who is kept from the bandit, and which arm they get instead."""
