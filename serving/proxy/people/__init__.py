"""People, credentials and limits: who asks, and how often."""
