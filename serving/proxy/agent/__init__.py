"""Select and feedback: what happens for every visitor."""
