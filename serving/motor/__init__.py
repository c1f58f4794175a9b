"""Motor: selection from prepared states in memory; stateless, replicated at will."""
