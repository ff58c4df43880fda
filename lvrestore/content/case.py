"""What a generator works on: one item to restore, and what is known around it."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from lvrestore.content.knowledge import References
from lvrestore.model import NO_HISTORY, History

V_co = TypeVar("V_co", covariant=True)


class Case(msgspec.Struct, Generic[V_co], frozen=True):
    """One item to restore, what may be known of others, and what earlier runs left."""

    vault: V_co
    refs: References
    history: History = NO_HISTORY
