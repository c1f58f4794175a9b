"""What every body of a control route has in common.

Unknown keys are refused by name; what only answers have (an id, a time) may come back on a write
and is ignored, so that an answer can be sent again.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator, with_config

__all__ = ["Body", "Metadata", "Name", "answer", "refuse_null"]

answer = with_config(ConfigDict(defer_build=True))  # its serialiser is made when it is first given

Name = Annotated[str, Field(min_length=1, max_length=200)]
Metadata = dict[str, Any]


def refuse_null(value: Any) -> Any:
    """In a PATCH, null is not the same as nothing."""
    if value is None:
        raise ValueError("null is not a value here; leave the field out to keep what is stored")
    return value


class Body(BaseModel):
    """Strict: no number in quotes, no truth as a number, no key that nobody knows."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    only_answered: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _ignore_answered(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name not in cls.only_answered}
