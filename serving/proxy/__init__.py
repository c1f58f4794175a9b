"""Proxy: the gateway that clients talk to."""
