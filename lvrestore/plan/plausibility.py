"""May a list be believed that shows next to nothing of what the backup has? Judged by numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from lvrestore.model import ContentType

# A list that shows less than this share of what the backup has is looked at more closely.
LITTLE = 0.1
# So many of what it does not show are asked for by themselves.
ASKED = 3
# More than so many of a type are not made unasked where next to nothing of it is visible.
FEW_CREATES = 20
T = TypeVar("T")


class Visible(msgspec.Struct, frozen=True):
    """What an instance shows of a type: of `backed_up` items of the backup `shown`, alive or in the trash.

    `missing` counts the selected items that it does not show.
    """

    content_type: ContentType
    backed_up: int
    shown: int
    missing: int = 0

    @property
    def is_plausible(self) -> bool:
        """Whether enough is shown for what is not shown to be gone."""
        return not self.backed_up or (self.shown > 0 and self.shown >= self.backed_up * LITTLE)

    @property
    def needs_word(self) -> bool:
        """Whether so much would be made again that somebody must have said which instance it is."""
        return not self.is_plausible and self.missing > FEW_CREATES


def sample(missing: Sequence[T]) -> list[T]:
    """The first, the middle and the last of what is missing: what is near each other may be gone together."""
    places = {0, len(missing) // 2, len(missing) - 1} if missing else ()
    return [missing[place] for place in sorted(places)]
