"""Which methods a path takes: the framework names only those of the first route that fits."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute

__all__ = ["AllowedMethods"]


class AllowedMethods:
    """For the ``Allow`` header of a 405."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        routes = [route for router in routers for route in router.routes]
        self._routes = [
            (route.path_regex, route.methods) for route in routes if isinstance(route, APIRoute)
        ]

    def of(self, path: str) -> str:
        """Of all routes that fit."""
        fitting = (methods or set() for regex, methods in self._routes if regex.match(path))
        return ", ".join(sorted(set().union(*fitting)))
