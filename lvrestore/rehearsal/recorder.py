"""What a rehearsal notes in memory, as it stores nothing."""

from __future__ import annotations

from collections.abc import Callable

from lvrestore.content.calls import SwitchesOff, Tried
from lvrestore.model import MappedId, MappingNote, RestorationResult, RestorationTask, is_lost


class NothingRecorded:
    """For dry runs: nothing was done, so nothing is written down.

    What would be created is remembered, and which items have ended.
    """

    def __init__(self, tried: Callable[[Tried], None] = lambda _note: None) -> None:
        """`tried` hears how items are looked for."""
        self.tried = tried
        self.planned: dict[tuple[str, str], MappedId] = {}
        # Whether nobody may refer to them, too.
        self.ended: dict[tuple[str, str], bool] = {}

    def note(self, mapping: MappingNote) -> None:
        """Remember where the item would be, for those that refer to it."""
        self.planned[mapping.kind, mapping.source_id] = MappedId(mapping.destination_id, rule=mapping.rule)

    def keep(self, kind: str, destination_id: str, body: bytes) -> None:
        """Forget a before-image."""

    def create(self, task: RestorationTask) -> None:
        """Forget that a POST would leave."""

    def undelete(self, task: RestorationTask, destination_id: str) -> None:
        """Forget that an item would come back from the trash."""

    def switch_off(self, note: SwitchesOff) -> None:
        """Forget what would be switched off."""

    def claim(self, task: RestorationTask) -> None:
        """Claim nothing."""

    def finish(self, result: RestorationResult) -> None:
        """Remember that an item has ended, and whether others may refer to it."""
        kind = result.content_type.label
        # A run looks at what only waits for its name again before it comes to what refers to it.
        lost = not result.waits and is_lost(kind, result.operation, result.waits)
        self.ended[kind, result.source_id] = lost
