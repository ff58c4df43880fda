"""What is written down while an item is under way, as it is sent to whoever stores it."""

from __future__ import annotations

import orjson

from lvrestore.content.calls import SwitchesOff
from lvrestore.model import RestorationTask, SwitchedOff, UndeleteSent


def undelete_sent(task: RestorationTask, destination_id: str, ticket: int = 0) -> UndeleteSent:
    """That an item is about to come back from the trash."""
    return UndeleteSent(
        content_type=task.content_type,
        source_id=task.source_id,
        destination_id=destination_id,
        ticket=ticket,
    )


def switched_off(note: SwitchesOff, ticket: int = 0) -> SwitchedOff:
    """That a schedule or alert is about to be switched off, and how it was."""
    return SwitchedOff(
        kind=note.kind,
        destination_id=note.destination_id,
        name=note.name,
        owner=note.owner,
        body=orjson.dumps(note.body),
        content_kind=note.content_kind,
        content_id=note.content_id,
        ticket=ticket,
    )
