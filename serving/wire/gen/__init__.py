"""Written by `python -m serving.wire.generate`."""
