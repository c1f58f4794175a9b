"""Requests per second and latency of the serving system, against a bare ASGI application."""
