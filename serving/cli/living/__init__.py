"""The life of each role, from its settings to its end; a process loads that of one role."""
