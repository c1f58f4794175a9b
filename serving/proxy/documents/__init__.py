"""What comes in and what goes out, whichever transport carries it."""
