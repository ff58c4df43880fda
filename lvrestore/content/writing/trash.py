"""Looks and dashboards come back from the trash, also where the folder that they lay in is gone."""

from __future__ import annotations

from typing import TypeVar

from lvrestore.content.calls import Steps
from lvrestore.content.sending.waking import Patch, Waking
from lvrestore.content.writing.bodies import Body, changed, only, without
from lvrestore.looker.classify import FailureKind, Refused

T = TypeVar("T")
FOLDER = "folder_id"


class StillInTrash(Exception):  # noqa: N818 - an end of an undeletion, not a fault
    """The server lets it neither come back into its old folder, which is gone, nor into another one."""


def undelete(live: Body, delta: Body, patch: Patch[T], waking: Waking) -> Steps[tuple[Body, T]]:
    """Take an object out of the trash and change it; return what `patch` does. What sends on it is switched off.

    Whether the PATCH that undeletes can move it as well is undocumented. Where it cannot, it is moved beforehand,
    if it could not come back at all, or afterwards.
    """
    patch = yield from waking.switching_off(live, patch)
    try:
        now, taken = yield from patch({"deleted": False, **delta}, live)
    except Refused as refused:
        if not _is_about_folder(refused, delta):
            raise
        now, taken = yield from _moved_and_undeleted(live, delta, patch)
    if not now.get("deleted") and not taken and (rest := changed(only(delta, (FOLDER,)), now)):
        now, taken = yield from patch(rest, now)
    return now, taken


def _moved_and_undeleted(live: Body, delta: Body, patch: Patch[T]) -> Steps[tuple[Body, T]]:
    try:
        now, _ = yield from patch(only(delta, (FOLDER,)), live)
        return (yield from patch({"deleted": False, **without(delta, FOLDER)}, now))
    except Refused as refused:
        if _is_about_folder(refused, delta):
            raise StillInTrash from refused
        raise


def _is_about_folder(refused: Refused, delta: Body) -> bool:
    return FOLDER in delta and refused.kind is FailureKind.VALIDATION and refused.about(FOLDER)
