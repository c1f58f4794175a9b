"""Messages become the bodies that REST has, and are refused for the same reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from qbrix.errors import InvalidRequest
from serving.proxy.documents.base import Body
from serving.proxy.documents.plain import check_plain, sentences

__all__ = ["Page", "validated"]

B = TypeVar("B", bound=Body)

_DEFAULT_LIMIT = 100


class Page(Body):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=500)]
    offset: Annotated[int, Field(ge=0)]
    search: Annotated[str, Field(max_length=200)] | None = None

    @classmethod
    def of(cls, limit: int, offset: int, search: str | None = None) -> Page:
        """A limit of 0 is the default one; raises InvalidRequest."""
        asked = {"limit": limit or _DEFAULT_LIMIT, "offset": offset, "search": search}
        return validated(cls, asked)


def validated(kind: type[B], values: Mapping[str, Any]) -> B:
    """The body; raises InvalidRequest naming the fields that are wrong."""
    try:
        return kind.model_validate(check_plain(dict(values)))
    except ValidationError as error:
        raise InvalidRequest(sentences(error.errors())) from None
