"""Replies that only serve a warning: one that has another form tells nothing, and ends no run."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from lvrestore.model import Json

T = TypeVar("T")


class Named(msgspec.Struct, frozen=True):
    """Something that has a name."""

    name: str


class Model(msgspec.Struct, frozen=True):
    """A configured LookML model with its explores."""

    name: str
    explores: list[Named] | None = None


Models = list[Model]


def readable(reply: Json, shape: type[T]) -> T | None:
    """The reply as what it should be; None if it is something else."""
    try:
        return msgspec.convert(reply, shape)
    except msgspec.ValidationError:
        return None


def explores_of(models: Json) -> dict[str, frozenset[str]] | None:
    """The explores of each model; None as well for a caller that is shown no model at all."""
    found = readable(models, Models) or []
    return {one.name: frozenset(explore.name for explore in one.explores or ()) for one in found} or None
